//! What code is generated for: a processor, its features, and the object format of a triple.

use std::str::FromStr;

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, SettingKind};
use hla_ir::{Diagnostic, Location};
use target_lexicon::{Architecture, BinaryFormat, Triple};

/// Features of x86-64-v2: Cranelift needs them for 128-bit vectors without calls into a library.
const X86_64_V2: [&str; 5] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
];
/// What x86-64-v3 adds; the default.
const X86_64_V3: [&str; 6] = [
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];
/// What x86-64-v4 adds, as far as Cranelift knows it.
const X86_64_V4: [&str; 3] = ["has_avx512f", "has_avx512dq", "has_avx512vl"];

/// The two kinds of processor hlac generates code for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arch {
    /// x86-64, at least at level v2.
    X86_64,
    /// 64-bit Arm, little-endian.
    Aarch64,
}

/// A processor with its features, and an object format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    triple: Triple,
    arch: Arch,
    /// Names of Cranelift's settings, sorted.
    features: Vec<String>,
}

impl Target {
    /// The machine hlac runs on, with all of its features that Cranelift knows.
    pub fn native() -> Result<Target, Diagnostic> {
        Target::parse("native", &[])
    }

    /// The target of this name: `native`, `x86_64` or `aarch64` (ELF for Linux), or a triple.
    ///
    /// `cpu` changes the features: a level (`x86-64-v2`, `x86-64-v3`, `x86-64-v4`) replaces them,
    /// a name (`avx512vnni`, `dotprod`) adds one, a name after `-` removes one. Without it,
    /// x86-64 is at level v3 (AVX2 and FMA) and aarch64 at its baseline; `native` has what the
    /// machine has.
    pub fn parse(name: &str, cpu: &[String]) -> Result<Target, Diagnostic> {
        let native = name == "native";
        let triple = match name {
            "native" => Triple::host(),
            "x86_64" | "x86-64" => triple("x86_64-unknown-linux-gnu")?,
            "aarch64" | "arm64" => triple("aarch64-unknown-linux-gnu")?,
            other => triple(other)?,
        };
        let arch = match triple.architecture {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::Aarch64(target_lexicon::Aarch64Architecture::Aarch64) => Arch::Aarch64,
            _ => return Err(unknown_target(name)),
        };
        // Mach-O and COFF have neither a section for what an object is made of nor symbol sizes.
        if triple.binary_format != BinaryFormat::Elf {
            return Err(Diagnostic::error(
                Location::unknown(),
                format!("objects for '{name}' are not ELF files, the only ones hlac writes"),
            )
            .help("use a triple of Linux, Android, a BSD, or bare metal, such as aarch64-unknown-linux-gnu or x86_64-unknown-none-elf"));
        }
        let mut features: Vec<String> = if native {
            native_features()?
        } else {
            match arch {
                Arch::X86_64 => owned(&[&X86_64_V2[..], &X86_64_V3[..]].concat()),
                Arch::Aarch64 => Vec::new(),
            }
        };
        for item in cpu.iter().flat_map(|c| c.split(',')) {
            let item = item.trim();
            match (arch, item) {
                (_, "" | "native" | "baseline" | "generic") => {}
                (Arch::X86_64, "x86-64-v2") => features = owned(&X86_64_V2),
                (Arch::X86_64, "x86-64-v3") => {
                    features = owned(&[&X86_64_V2[..], &X86_64_V3[..]].concat());
                }
                (Arch::X86_64, "x86-64-v4") => {
                    features = owned(&[&X86_64_V2[..], &X86_64_V3[..], &X86_64_V4[..]].concat());
                }
                _ => match item.strip_prefix('-') {
                    Some(removed) => {
                        let removed = feature(&triple, removed)?;
                        if X86_64_V2.contains(&removed.as_str()) {
                            return Err(Diagnostic::error(
                                Location::unknown(),
                                format!("'{item}' would leave less than x86-64-v2"),
                            )
                            .help("hlac's vector code needs SSSE3 and SSE4.1 at least"));
                        }
                        features.retain(|f| *f != removed);
                    }
                    None => {
                        features.push(feature(&triple, item.strip_prefix('+').unwrap_or(item))?);
                    }
                },
            }
        }
        features.sort();
        features.dedup();
        Ok(Target {
            triple,
            arch,
            features,
        })
    }

    /// The kind of processor.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The triple.
    pub fn triple(&self) -> &Triple {
        &self.triple
    }

    /// Names of the features beyond the architecture's baseline, sorted.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features
            .iter()
            .map(|f| f.strip_prefix("has_").unwrap_or(f))
    }

    /// Whether the processor has a feature, by Cranelift's name without `has_`: `avx`, `sse41`,
    /// `avx512vnni`, `dotprod`.
    pub fn has(&self, feature: &str) -> bool {
        self.features().any(|f| f == feature)
    }

    /// Whether `a·b + c` can be had with one rounding in one instruction.
    pub fn has_fma(&self) -> bool {
        self.arch == Arch::Aarch64 || (self.has("fma") && self.has("avx"))
    }

    /// Cranelift's backend for this target; position-independent for objects, not for the JIT.
    pub(crate) fn isa(&self, pic: bool, optimize: bool) -> Result<OwnedTargetIsa, Diagnostic> {
        let failed = |what: String| {
            Diagnostic::error(
                Location::unknown(),
                format!("Cranelift does not support {}: {what}", self.triple),
            )
        };
        let mut flags = settings::builder();
        let mut set = |name: &str, value: &str| {
            flags
                .set(name, value)
                .map_err(|e| failed(format!("setting {name}: {e}")))
        };
        set("opt_level", if optimize { "speed" } else { "none" })?;
        set("is_pic", if pic { "true" } else { "false" })?;
        set("enable_probestack", "false")?;
        set("use_colocated_libcalls", "false")?;
        set("unwind_info", "false")?;
        set(
            "enable_verifier",
            if cfg!(debug_assertions) {
                "true"
            } else {
                "false"
            },
        )?;
        let mut builder = isa::lookup(self.triple.clone()).map_err(|e| failed(e.to_string()))?;
        for feature in &self.features {
            builder
                .enable(feature)
                .map_err(|e| failed(format!("feature {feature}: {e}")))?;
        }
        builder
            .finish(settings::Flags::new(flags))
            .map_err(|e| failed(e.to_string()))
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&n| n.to_owned()).collect()
}

fn unknown_target(name: &str) -> Diagnostic {
    Diagnostic::error(
        Location::unknown(),
        format!("there is no code generator for the target '{name}'"),
    )
    .help("targets are native, x86_64, aarch64, or a triple of these such as aarch64-unknown-linux-gnu")
}

fn triple(name: &str) -> Result<Triple, Diagnostic> {
    Triple::from_str(name).map_err(|_| unknown_target(name))
}

/// All features that Cranelift knows for a triple.
fn known_features(triple: &Triple) -> Result<Vec<String>, Diagnostic> {
    let builder = isa::lookup(triple.clone()).map_err(|_| unknown_target(&triple.to_string()))?;
    Ok(builder
        .iter()
        .filter(|s| s.kind == SettingKind::Bool && s.name.starts_with("has_"))
        .map(|s| s.name.to_owned())
        .collect())
}

fn native_features() -> Result<Vec<String>, Diagnostic> {
    let failed = |e: &str| {
        Diagnostic::error(
            Location::unknown(),
            format!("code cannot be generated for this machine: {e}"),
        )
        .help("name another target with --target")
    };
    let builder = cranelift_native::builder().map_err(failed)?;
    let isa = builder
        .finish(settings::Flags::new(settings::builder()))
        .map_err(|e| failed(&e.to_string()))?;
    let features: Vec<String> = isa
        .isa_flags()
        .iter()
        .filter(|f| f.name.starts_with("has_") && f.as_bool() == Some(true))
        .map(|f| f.name.to_owned())
        .collect();
    if cfg!(target_arch = "x86_64")
        && let Some(missing) = X86_64_V2.iter().find(|f| !features.iter().any(|g| g == *f))
    {
        return Err(failed(&format!("it lacks {}", &missing["has_".len()..])));
    }
    Ok(features)
}

/// Cranelift's name of a feature, however it is spelled; an unknown one is answered with the
/// closest that exist.
fn feature(triple: &Triple, name: &str) -> Result<String, Diagnostic> {
    let plain = |s: &str| -> String {
        s.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let wanted = plain(name);
    let known = known_features(triple)?;
    if let Some(found) = known.iter().find(|f| plain(&f["has_".len()..]) == wanted) {
        return Ok(found.clone());
    }
    let mut names: Vec<&str> = known.iter().map(|f| &f["has_".len()..]).collect();
    names.sort_by_key(|f| (edit_distance(&plain(f), &wanted), *f));
    let closest = names.first().copied().unwrap_or("none");
    Err(Diagnostic::error(
        Location::unknown(),
        format!(
            "the feature '{name}' is not known for {}",
            triple.architecture
        ),
    )
    .help(format!("did you mean '{closest}'? Known are {}", {
        names.sort_unstable();
        names.join(", ")
    })))
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(name: &str, cpu: &str) -> Vec<String> {
        let target = Target::parse(name, &[cpu.to_owned()]).unwrap();
        target.features().map(str::to_owned).collect()
    }

    #[test]
    fn defaults_and_changes() {
        let default = features("x86_64", "");
        assert!(default.contains(&"fma".to_owned()) && default.contains(&"avx2".to_owned()));
        assert!(!features("x86_64", "-fma").contains(&"fma".to_owned()));
        assert!(features("x86_64", "avx512vnni,avx512vl").contains(&"avx512vnni".to_owned()));
        assert!(features("x86_64", "AVX-VNNI").contains(&"avx_vnni".to_owned()));
        assert!(!features("x86_64", "x86-64-v2").contains(&"avx".to_owned()));
        assert!(features("aarch64", "").is_empty());
        assert_eq!(features("aarch64", "dotprod,i8mm"), ["dotprod", "i8mm"]);
    }

    #[test]
    fn errors_suggest() {
        let error = Target::parse("x86_64", &["avx512vni".to_owned()]).unwrap_err();
        assert!(error.help.unwrap().contains("did you mean 'avx512vnni'"));
        let error = Target::parse("riscv64", &[]).unwrap_err();
        assert!(error.message.contains("'riscv64'"), "{error}");
        assert!(Target::parse("x86_64-unknown-none-elf", &[]).is_ok());
        assert!(Target::parse("x86_64", &["-ssse3".to_owned()]).is_err());
        let error = Target::parse("aarch64-apple-darwin", &[]).unwrap_err();
        assert!(error.message.contains("ELF"), "{error}");
    }

    #[test]
    fn every_target_has_an_isa() {
        for name in ["native", "x86_64", "aarch64", "aarch64-unknown-none-elf"] {
            let target = Target::parse(name, &[]).unwrap();
            assert!(target.isa(true, true).is_ok(), "{name}");
            assert!(target.has_fma() || name == "native");
        }
    }
}
