//! What was generated: for `hlac inspect` and for tests.

use crate::kernel::KernelReport;
use crate::lower::Program;
use crate::target::Target;

/// A summary of generated code.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct CompileReport {
    /// What the symbols begin with.
    pub name: String,
    /// The triple.
    pub triple: String,
    /// Features of the processor beyond its baseline.
    pub features: Vec<String>,
    /// What `NAME_run` runs, in order.
    pub kernels: Vec<KernelReport>,
    /// What `NAME_init` runs, in order.
    pub init_kernels: Vec<KernelReport>,
    /// Size of the state.
    pub state_bytes: u64,
    /// Size of the workspace: the arena of all intermediate values.
    pub workspace_bytes: u64,
    /// Constants in the object.
    pub rodata_bytes: u64,
    /// Slow fallbacks and other facts about the whole.
    pub notes: Vec<String>,
}

impl CompileReport {
    pub(crate) fn new(
        program: &Program,
        target: &Target,
        kernels: Vec<KernelReport>,
        init_kernels: Vec<KernelReport>,
    ) -> CompileReport {
        let mut notes = program.notes.clone();
        if !target.has_fma() {
            notes.push(
                "the target has no FMA: products and sums are rounded separately, so results differ from other targets in the last bits".to_owned(),
            );
        }
        CompileReport {
            name: program.name.clone(),
            triple: target.triple().to_string(),
            features: target.features().map(str::to_owned).collect(),
            kernels,
            init_kernels,
            state_bytes: program.state_bytes,
            workspace_bytes: program.workspace_bytes,
            rodata_bytes: program.rodata.iter().map(|t| t.ty().bytes() as u64).sum(),
            notes,
        }
    }
}
