//! How launches share their work: whole warps, enough threads, grids that a GPU takes.

use hla_gpu::Lowered;
use hla_runtime::plan::{Access, Command};

/// The most elements of a result that one thread may write: a thread of a contraction has up to 128
/// sums.
const MOST: u64 = 128;

/// What is wrong with the launches of a program, a line each.
///
/// - A block is of whole warps, and at most 1024 threads.
/// - All threads together are enough for what is written, at `MOST` elements for each. So no
///   launch leaves to one thread what many could do.
/// - The grid is one that a GPU takes: 2³¹ − 1 blocks along x, 65,535 along y and z.
pub fn complaints(program: &Lowered) -> Vec<String> {
    let mut wrong = Vec::new();
    for function in &program.functions {
        for command in &function.commands {
            let Command::Launch { kernel, grid, args } = command else {
                continue;
            };
            let code = &program.kernels[*kernel as usize];
            let mut complain = |what: String| {
                wrong.push(format!("{}, {}: {what}", function.name, code.computes));
            };
            let product = |n: [u32; 3]| n.iter().map(|&n| u64::from(n)).product::<u64>();
            let (blocks, threads) = (product(*grid), product(code.block));
            if threads == 0 || !threads.is_multiple_of(32) || threads > 1024 {
                complain(format!("a block of {:?}", code.block));
            }
            let most = [i32::MAX as u32, 65_535, 65_535];
            if blocks == 0 || grid.iter().zip(most).any(|(&n, most)| n > most) {
                complain(format!("a grid of {grid:?}"));
            }
            let types = &program.arguments[*kernel as usize];
            let written = args.iter().zip(types);
            let written = written.filter(|(arg, _)| arg.access != Access::Read);
            let written = written.map(|(_, ty)| ty.elements() as u64).max();
            if written.is_some_and(|n| n > blocks.saturating_mul(threads).saturating_mul(MOST)) {
                complain(format!(
                    "{written:?} elements for {grid:?} blocks of {threads} threads"
                ));
            }
        }
    }
    wrong
}
