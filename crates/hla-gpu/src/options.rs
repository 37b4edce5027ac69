//! What a user chooses about a GPU.

/// How contractions of f32 are computed. Those of bf16 and f16 say so by the types in the graph.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Precision {
    /// In f32, without tensor cores.
    F32,
    /// Operands rounded to tf32 (10 bits of fraction), sums in f32, on tensor cores.
    #[default]
    Tf32,
}

/// What kernels are made for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GpuOptions {
    /// Number of the architecture: 80 for `sm_80`, 90 for `sm_90`, 100 for `sm_100`.
    pub compute_capability: u32,
    /// How contractions of f32 are computed.
    pub precision: Precision,
}

impl GpuOptions {
    /// Options for a chip such as `sm_90` or `sm_90a`; `None` if it is no name of a chip.
    pub fn for_chip(chip: &str) -> Option<GpuOptions> {
        let number = chip.strip_prefix("sm_")?.trim_end_matches(['a', 'f']);
        Some(GpuOptions {
            compute_capability: number.parse().ok()?,
            precision: Precision::default(),
        })
    }
}

impl Default for GpuOptions {
    /// `sm_80`, the oldest chip with bf16.
    fn default() -> GpuOptions {
        GpuOptions {
            compute_capability: 80,
            precision: Precision::default(),
        }
    }
}
