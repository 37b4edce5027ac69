//! What every kernel is made of.

/// A kernel, ready to be placed in a `gpu.module`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct KernelCode {
    /// What it computes, for people: `reduce_sum over rows, of mul`.
    pub computes: String,
    /// Blocks of a launch, x first.
    pub grid: [u32; 3],
    /// Threads of a block, x first.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// A `gpu.func` with the name [`NAME`], whose arguments are memrefs of static shape and row-major
    /// layout in global memory: one for each [argument](hla_runtime::plan::KernelArg) of a launch.
    pub gpu: String,
    /// A `func.func` with the name [`NAME`] and the same arguments that computes the same with ops of
    /// linalg on memrefs. It knows nothing of blocks and threads.
    pub linalg: String,
}

/// Stands for the symbol of a kernel in its text, until it is known which kernels are equal.
pub const NAME: &str = "@KERNEL";
