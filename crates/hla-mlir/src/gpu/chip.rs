//! The NVIDIA GPUs that PTX is made for.

use hla_ir::{Diagnostic, Location};

/// Compute capabilities with the lowest version of PTX that knows each: the lower the version, the
/// older a driver may be.
const CHIPS: [(&str, u32); 13] = [
    ("sm_80", 70),
    ("sm_86", 71),
    ("sm_87", 74),
    ("sm_88", 90),
    ("sm_89", 78),
    ("sm_90", 78),
    ("sm_100", 86),
    ("sm_101", 86),
    ("sm_103", 88),
    ("sm_110", 90),
    ("sm_120", 87),
    ("sm_121", 88),
    ("sm_90a", 80),
];

/// A GPU to make PTX for. A driver compiles PTX for any GPU that is not older than this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chip {
    name: &'static str,
    ptx: u32,
}

impl Chip {
    /// The oldest GPU with what kernels use: asynchronous copies and bf16. All newer ones take its PTX.
    pub const DEFAULT: Chip = Chip {
        name: CHIPS[0].0,
        ptx: CHIPS[0].1,
    };

    /// The chip of a name such as `sm_90`.
    ///
    /// # Errors
    /// There is none of this name, or it is too old; the help lists all.
    pub fn named(name: &str) -> Result<Chip, Diagnostic> {
        let found = CHIPS.iter().find(|(chip, _)| *chip == name);
        let found = found.map(|&(name, ptx)| Chip { name, ptx });
        found.ok_or_else(|| {
            let older = name.strip_prefix("sm_").and_then(|n| n.parse().ok());
            let message = if older.is_some_and(|n: u32| n < 80) {
                format!("the GPU '{name}' is too old: kernels need sm_80 (Ampere) or newer")
            } else {
                format!("hlac makes no code for a GPU '{name}'")
            };
            let names: Vec<&str> = CHIPS.iter().map(|(chip, _)| *chip).collect();
            Diagnostic::error(Location::unknown(), message).help(format!(
                "there are {}; code for sm_80 runs on all of them",
                names.join(", ")
            ))
        })
    }

    /// Its name: `sm_80`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version of PTX that code for it is written in: 70 is 7.0.
    pub fn ptx_version(&self) -> u32 {
        self.ptx
    }
}
