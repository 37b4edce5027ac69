//! Adds up the partial sums of [`super::outer`] and stores them where they belong.

use cranelift_codegen::ir::{InstBuilder, types};
use hla_ir::Diagnostic;

use super::arithmetic::{LANES, WORD};
use super::grid::Grid;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Sums over chunks, in their order.
pub(super) struct Combine {
    pub grid: Grid,
    pub chunks: u64,
    pub partial: Buffer,
    /// Where the sums go, f32.
    pub target: Buffer,
    /// Elements of the target from tap to tap, row to row, column to column.
    pub strides: [u64; 3],
    /// Columns that are stored.
    pub columns: u64,
}

impl EmitKernel for Combine {
    fn name(&self) -> String {
        "add_partial_sums".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.grid.tiles()
    }

    fn grain(&self) -> u64 {
        (1_u64 << 16).div_ceil(self.chunks * self.grid.tile_bytes())
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let partial = k.address(self.partial);
        let target = k.address(self.target);
        let tile_bytes = self.grid.tile_bytes() as i64;
        let distance = self.grid.tiles() as i64 * tile_bytes;
        k.for_range(begin, end, 1, |k, tile| {
            let from = k.index(partial, tile, tile_bytes);
            let sums: Vec<_> = (0..self.grid.accumulators())
                .map(|i| k.read(types::F32X4, from, (i * LANES * WORD) as i32))
                .collect();
            let from = k.offset(from, distance);
            let to = k.offset(from, (self.chunks as i64 - 1) * distance);
            let sums = k.for_range_carry(from, to, distance, &sums, |k, at, sums| {
                let add = |(i, &sum): (usize, &_)| {
                    let next = k.read(types::F32X4, at, (i as u64 * LANES * WORD) as i32);
                    k.b.ins().fadd(sum, next)
                };
                sums.iter().enumerate().map(add).collect()
            });
            let mut at = target;
            for (index, stride) in self.grid.place(k, tile).into_iter().zip(self.strides) {
                at = k.index(at, index, (stride * WORD) as i64);
            }
            let [_, row, column] = self.strides;
            for (&sum, (r, v)) in sums.iter().zip(self.grid.places()) {
                let at = k.offset(at, (r * row * WORD) as i64);
                let lanes = LANES.min(self.columns - v * LANES);
                if column == 1 && lanes == LANES {
                    let at = k.offset(at, (v * LANES * WORD) as i64);
                    k.write(sum, at, 0);
                    continue;
                }
                for lane in 0..lanes {
                    let value = k.b.ins().extractlane(sum, lane as u8);
                    let at = k.offset(at, ((v * LANES + lane) * column * WORD) as i64);
                    k.write(value, at, 0);
                }
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let computes = format!(
            "{} sums of {} elements",
            self.chunks,
            self.grid.tiles() * self.grid.accumulators() * LANES
        );
        KernelReport::new(computes, "vectors")
    }
}
