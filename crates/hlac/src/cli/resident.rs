//! Giving back memory that only the start of the process needed.
//!
//! LLVM's static initialisers run before `main` and touch pages all over its code, about 40 MiB with
//! what the system maps around them: more than compiling most models takes.
//!
//! # Contract
//! Only mappings of this process's own executable are touched that are executable and not writable.
//! Their pages are copies of the file's and were never written, so the system can drop them at any
//! time and read them again when they are needed; [`release_code`] asks it to.
#![allow(unsafe_code)]

/// Drops the resident pages of the executable's code. Those needed again come back one by one.
pub fn release_code() {
    #[cfg(target_os = "linux")]
    for (start, length) in code().unwrap_or_default() {
        // SAFETY: see the contract above. A failure changes nothing, and matters to nobody.
        unsafe {
            libc::madvise(
                std::ptr::without_provenance_mut(start),
                length,
                libc::MADV_DONTNEED,
            );
        }
    }
}

/// Address and length of the mappings of the executable's code.
#[cfg(target_os = "linux")]
fn code() -> Option<Vec<(usize, usize)>> {
    let executable = std::fs::read_link("/proc/self/exe").ok()?;
    let executable = executable.to_str()?;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    Some(
        maps.lines()
            .filter_map(|l| mapping(l, executable))
            .collect(),
    )
}

/// A line `start-end r-xp offset device inode path` that maps the code of an executable.
#[cfg(target_os = "linux")]
fn mapping(line: &str, executable: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    if permissions != "r-xp" || fields.nth(3)? != executable {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_executable_is_meant() {
        let line = "55f6-66f8 r-xp 0543d000 fe:00 1001 /bin/hlac";
        assert_eq!(mapping(line, "/bin/hlac"), Some((0x55f6, 0x1102)));
        assert_eq!(mapping(line, "/bin/other"), None);
        for permissions in ["r--p", "rw-p", "rwxp", "r-xs"] {
            assert_eq!(
                mapping(&line.replace("r-xp", permissions), "/bin/hlac"),
                None
            );
        }
        assert_eq!(mapping("7f-80 r-xp 0 00:00 0", "/bin/hlac"), None);
    }

    #[test]
    fn the_process_lives_on() {
        assert!(!code().unwrap().is_empty());
        release_code();
        assert!(!code().unwrap().is_empty());
    }
}
