//! Sparse addition for products of few rows of f32: several output channels at once.
//!
//! With at most eight rows one output channel has only one or two accumulators, and each addition
//! would wait for the one before. So a group of channels takes turns: entry t of the group's list
//! holds the offset of every channel's t-th +1 weight (then −1 weight), and channels with fewer
//! weights read zeros, which never change their sums.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::epilogue::{Epilogue, stack};
use super::geometry::Geometry;
use super::lists::Walk;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, READ};

/// Most rows.
pub(super) const MOST_ROWS: usize = 8;
/// Zero bytes that the missing weights of a channel read.
pub(super) const ZEROS: i64 = 4 * MOST_ROWS as i64;
/// Accumulators of a group.
const ACCUMULATORS: usize = 8;

/// Extents of the groups' lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RowsPlan {
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    /// Bytes from the start of the lists to the +1 entries of group g at 2g, to its −1 entries at
    /// 2g + 1; the end of all at last.
    pub bounds: Vec<u32>,
}

impl RowsPlan {
    /// Whether the lists fit 32-bit positions is the caller's to check.
    pub fn new(trits: &[i8], g: &Geometry) -> RowsPlan {
        let mut plan = RowsPlan {
            rows: g.output[1],
            depth: g.in_channels,
            columns: g.out_channels,
            bounds: vec![0],
        };
        let (group, entry) = (plan.group(), plan.entry() as u32);
        let mut at = 0u32;
        for channels in trits.chunks((plan.depth * group).max(1)) {
            for sign in [1, -1] {
                let longest = channels
                    .chunks(plan.depth)
                    .map(|c| c.iter().filter(|&&t| t == sign).count())
                    .max();
                at = at.saturating_add((longest.unwrap_or(0) as u32).saturating_mul(entry));
                plan.bounds.push(at);
            }
        }
        plan.bounds.resize(2 * plan.groups() + 1, at);
        plan
    }

    /// Vectors of rows.
    fn vectors(&self) -> usize {
        self.rows.div_ceil(4).max(1)
    }

    /// Output channels of a group.
    fn group(&self) -> usize {
        ACCUMULATORS / self.vectors()
    }

    fn groups(&self) -> usize {
        self.columns.div_ceil(self.group())
    }

    /// Bytes of an entry.
    fn entry(&self) -> i64 {
        4 * self.group() as i64
    }

    /// Bytes of the lists, with one entry more that their making may write.
    pub fn list_bytes(&self) -> u64 {
        u64::from(self.bounds.last().copied().unwrap_or(0)) + self.entry() as u64
    }

    /// The bounds as they stand in the object.
    pub fn bound_bytes(&self) -> Vec<u8> {
        self.bounds.iter().flat_map(|b| b.to_le_bytes()).collect()
    }

    /// Addresses where the +1 entries of a group start, where its −1 entries do, and their end.
    fn section(
        &self,
        k: &mut KernelBuilder<'_>,
        bounds: Value,
        lists: Value,
        group: Value,
    ) -> [Value; 3] {
        let at = k.index(bounds, group, 8);
        [0, 4, 8].map(|i| {
            let bytes = k.b.ins().uload32(READ, at, i);
            k.b.ins().iadd(lists, bytes)
        })
    }
}

/// Expands packed codes into the groups' lists.
pub(super) struct TurnsKernel {
    pub plan: RowsPlan,
    pub walk: Walk,
    /// Bytes from the start of the staged input to the zeros.
    pub zeros_at: i64,
    pub codes: Buffer,
    pub taps: Buffer,
    pub bounds: Buffer,
    pub lists: Buffer,
}

impl EmitKernel for TurnsKernel {
    fn name(&self) -> String {
        "ternary_take_turns".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        1
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let plan = &self.plan;
        let codes = k.address(self.codes);
        let taps = k.address(self.taps);
        let bounds = k.address(self.bounds);
        let lists = k.address(self.lists);
        let zeros_at = k.int_const(types::I32, self.zeros_at);
        let zero = k.int(0);
        let groups = k.int(plan.groups() as i64);
        k.for_range(zero, groups, 1, |k, group| {
            let section = plan.section(k, bounds, lists, group);
            let first = k.scale(group, plan.group() as i64);
            let last = k.offset(first, plan.group() as i64);
            let start = section;
            k.for_range_carry(first, last, 1, &start, |k, c, at| {
                // A channel beyond the last has no weights.
                let exists =
                    k.b.ins()
                        .icmp_imm_s(IntCC::SignedLessThan, c, plan.columns as i64);
                let depth = k.int(plan.depth as i64);
                let count = k.b.ins().select(exists, depth, zero);
                let row = k.index(codes, c, plan.depth.div_ceil(4) as i64);
                for sign in 0..2 {
                    let from = [at[sign], zero, zero, zero];
                    let [end, ..] = self.walk.append(
                        k,
                        [row, taps],
                        [zero, count],
                        sign as i64,
                        plan.entry(),
                        from,
                    );
                    k.for_range(end, at[sign + 1], plan.entry(), |k, at| {
                        k.write(zeros_at, at, 0);
                    });
                }
                at.iter().map(|&a| k.offset(a, 4)).collect()
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let plan = &self.plan;
        let mut report = KernelReport::new(
            format!("{} × {} packed codes", plan.columns, plan.depth),
            "offset lists of channels that take turns",
        );
        report.state_bytes = plan.list_bytes();
        report.notes.push(format!(
            "{:.2} bits a weight",
            8.0 * plan.list_bytes() as f64 / (plan.columns * plan.depth).max(1) as f64
        ));
        report
    }
}

/// The main kernel.
pub(super) struct RowsKernel {
    pub plan: RowsPlan,
    pub staged: Buffer,
    pub bounds: Buffer,
    pub lists: Buffer,
    pub epilogue: Epilogue,
    /// Why it is this strategy, if the user asked for another.
    pub note: Option<&'static str>,
}

impl RowsKernel {
    /// Adds or subtracts what the entries in `from..to` name.
    fn add_list(
        &self,
        k: &mut KernelBuilder<'_>,
        base: Value,
        [from, to]: [Value; 2],
        plus: bool,
        start: &[Value],
    ) -> Vec<Value> {
        let plan = &self.plan;
        k.for_range_carry(from, to, plan.entry(), start, |k, at, sums| {
            let mut next = Vec::with_capacity(sums.len());
            for (c, sums) in sums.chunks(plan.vectors()).enumerate() {
                let offset = k.b.ins().uload32(READ, at, 4 * c as i32);
                let address = k.b.ins().iadd(base, offset);
                for (v, &sum) in sums.iter().enumerate() {
                    let x = k.read(types::F32X4, address, 16 * v as i32);
                    next.push(if plus {
                        k.b.ins().fadd(sum, x)
                    } else {
                        k.b.ins().fsub(sum, x)
                    });
                }
            }
            next
        })
    }
}

impl EmitKernel for RowsKernel {
    fn name(&self) -> String {
        "ternary_sparse_add_rows".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.plan.groups() as u64
    }

    fn grain(&self) -> u64 {
        (1 << 17) / (self.plan.list_bytes() / self.plan.groups().max(1) as u64).max(1) + 1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (plan, epilogue) = (&self.plan, &self.epilogue);
        let staged = k.address(self.staged);
        let bounds = k.address(self.bounds);
        let lists = k.address(self.lists);
        let places = epilogue.places(k);
        let len = 4 * plan.vectors() as i64;
        let tiles = epilogue.tiles(k, len);
        let sums_at = stack(k, 16 * ACCUMULATORS as i64);
        let zero = k.int(0);
        let block = epilogue.block(k, zero, zero, len, plan.rows);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, group| {
            let [plus, minus, last] = plan.section(k, bounds, lists, group);
            let none = k.f32_const(types::F32X4, 0.0);
            let sums = vec![none; plan.group() * plan.vectors()];
            let sums = self.add_list(k, staged, [plus, minus], true, &sums);
            let sums = self.add_list(k, staged, [minus, last], false, &sums);
            for (i, &sum) in sums.iter().enumerate() {
                k.write(sum, sums_at, 16 * i as i32);
            }
            let from = k.scale(group, plan.group() as i64);
            let to = k.offset(from, plan.group() as i64);
            let all = k.int(plan.columns as i64);
            let to = k.b.ins().smin(to, all);
            k.for_range_carry(from, to, 1, &[sums_at], |k, c, at| {
                let sums: Vec<Value> = (0..plan.vectors())
                    .map(|v| k.read_back(types::F32X4, at[0], 16 * v as i32))
                    .collect();
                if let Some(residual) = places.residual {
                    epilogue.load_residual(k, &tiles, &block, residual, c);
                }
                let channel = epilogue.channel(k, places.scale, places.bias, c);
                epilogue.finish(k, &channel, &tiles, &sums, 0);
                epilogue.store(k, &tiles, &block, places.out, c);
                vec![k.offset(at[0], 4 * len)]
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let plan = &self.plan;
        let mut report = KernelReport::new(
            format!(
                "{}x{} → {}x{}",
                plan.rows, plan.depth, plan.rows, plan.columns
            ),
            "sparse-add f32",
        );
        report.state_bytes = plan.list_bytes();
        report.multiply_free = true;
        report
            .notes
            .push(format!("{} output channels take turns", plan.group()));
        report.notes.extend(self.note.map(str::to_owned));
        report
    }
}
