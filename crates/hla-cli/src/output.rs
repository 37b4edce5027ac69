//! Files that appear whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Location};

/// A file to be written.
struct Output {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The option that names it.
    option: &'static str,
}

/// Files to be written together.
#[derive(Default)]
pub struct Outputs {
    files: Vec<Output>,
    spared: Vec<PathBuf>,
}

impl Outputs {
    /// Files that were read: none of them is overwritten.
    pub fn sparing<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Outputs {
        Outputs {
            files: Vec::new(),
            // A file that cannot be found, such as `-`, cannot be overwritten either.
            spared: inputs
                .into_iter()
                .filter_map(|p| fs::canonicalize(p).ok())
                .collect(),
        }
    }

    /// Adds the file that `option` names, such as `-o`; the path `-` is standard output.
    pub fn add(
        &mut self,
        option: &'static str,
        path: impl Into<PathBuf>,
        bytes: impl Into<Vec<u8>>,
    ) {
        self.files.push(Output {
            path: path.into(),
            bytes: bytes.into(),
            option,
        });
    }

    /// Whether all files could be written now; nothing is left behind.
    pub fn check(&self) -> Result<(), Diagnostic> {
        self.compare()?;
        for file in self.files.iter().filter(|file| !is_stream(&file.path)) {
            prepare(&file.path, b"").map_err(|e| refuse(file.option, &file.path, &e))?;
        }
        Ok(())
    }

    /// Refuses outputs in the same place, or in that of an input.
    fn compare(&self) -> Result<(), Diagnostic> {
        for (i, Output { path, option, .. }) in self.files.iter().enumerate() {
            if self.files[..i].iter().any(|f| f.path == *path) && !is_stream(path) {
                return Err(Diagnostic::error(
                    Location::unknown(),
                    format!("two outputs would be written to {}", path.display()),
                )
                .help("give each a place of its own"));
            }
            if fs::canonicalize(path).is_ok_and(|p| p.is_file() && self.spared.contains(&p)) {
                return Err(Diagnostic::error(
                    Location::unknown(),
                    format!("{} is an input: it is not overwritten", path.display()),
                )
                .help(format!("choose another place with {option}")));
            }
        }
        Ok(())
    }

    /// Writes all files or none: each is written beside its place under another name, and only
    /// when all are complete do they get their names.
    pub fn commit(self) -> Result<(), Diagnostic> {
        self.compare()?;
        let mut ready = Vec::new();
        let mut streams = Vec::new();
        for output in &self.files {
            let Output {
                path,
                bytes,
                option,
            } = output;
            match is_stream(path) {
                true => streams.push(output),
                false => {
                    let file = prepare(path, bytes).map_err(|e| refuse(option, path, &e))?;
                    ready.push((output, file));
                }
            }
        }
        let mut named: Vec<&PathBuf> = Vec::new();
        for (Output { path, option, .. }, file) in ready {
            if let Err(error) = file.persist(path) {
                for path in named {
                    // What cannot be removed was written in full: it does no harm.
                    let _ = fs::remove_file(path);
                }
                return Err(refuse(option, path, &error.error));
            }
            named.push(path);
        }
        for Output {
            path,
            bytes,
            option,
        } in streams
        {
            match path.as_os_str() == "-" {
                true => print(bytes)?,
                false => fs::write(path, bytes).map_err(|e| refuse(option, path, &e))?,
            }
        }
        Ok(())
    }
}

/// Whether a path cannot be replaced by renaming: standard output, a device, a pipe.
fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-" || fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

fn prepare(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    if path.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hlac-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: the user's mask takes away what others may not do.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(file)
}

/// Whether files can be written in the folder that `option` names, which need not exist yet; nothing
/// is left behind.
pub fn check_folder(option: &str, path: &Path) -> Result<(), Diagnostic> {
    let inside = match path.is_dir() {
        true => path.join("file"),
        false if path.exists() => {
            let error = std::io::Error::other("it is no directory");
            return Err(refuse(option, path, &error));
        }
        // The folder itself is what will be made.
        false => path.to_owned(),
    };
    prepare(&inside, b"").map_err(|e| refuse(option, path, &e))?;
    Ok(())
}

fn refuse(option: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    let first = match error.kind() {
        std::io::ErrorKind::NotFound => "make the folder first, or ",
        _ => "",
    };
    let help = format!("{first}choose another place with {option}");
    Diagnostic::error(
        Location::unknown(),
        format!("cannot write {}: {}", path.display(), plain(error)),
    )
    .help(help)
}

/// What went wrong, without the name of a temporary file that the error may carry.
fn plain(error: &std::io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (std::io::ErrorKind::Other, _) | (_, Some(_)) => error.to_string(),
        (kind, None) => kind.to_string(),
    }
}

/// Writes to standard output. A reader that has gone away (`hlac … | head`) is no error.
pub fn print(bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(bytes.as_ref())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(refuse("-o", Path::new("standard output"), &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_appear_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.o"), folder.path().join("a.h"));
        let mut outputs = Outputs::default();
        outputs.add("-o", &a, "object");
        outputs.add("-o", folder.path().join("missing/a.h"), "header");
        let error = outputs.commit().unwrap_err();
        assert!(error.message.contains("missing/a.h"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut outputs = Outputs::default();
        outputs.add("-o", &a, "object");
        outputs.add("-o", &b, "header");
        outputs.commit().unwrap();
        assert_eq!(fs::read_to_string(&a).unwrap(), "object");
        assert_eq!(fs::read_to_string(&b).unwrap(), "header");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn inputs_are_spared() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("m.mlir");
        fs::write(&input, "model").unwrap();
        let detour = folder.path().join(".").join("m.mlir");
        let mut outputs = Outputs::sparing([input.as_path()]);
        outputs.add("-o", folder.path().join("m.o"), "object");
        outputs.add("-o", &detour, "result");
        assert!(
            outputs
                .commit()
                .unwrap_err()
                .message
                .contains("is an input")
        );
        assert_eq!(fs::read_to_string(&input).unwrap(), "model");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let mut outputs = Outputs::default();
        outputs.add("-o", folder.path().join("y"), "1");
        outputs.add("-o", folder.path().join("y"), "2");
        assert!(
            outputs
                .commit()
                .unwrap_err()
                .message
                .contains("two outputs")
        );
    }

    #[test]
    fn a_folder_is_not_replaced_and_a_device_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut outputs = Outputs::default();
        outputs.add("-o", folder.path(), "x");
        assert!(outputs.commit().unwrap_err().message.contains("directory"));
        let mut outputs = Outputs::default();
        outputs.add("-o", "/dev/null", "x");
        outputs.commit().unwrap();
        assert!(Path::new("/dev/null").exists());
    }
}
