//! Quantization with a scale measured at run time, in three kernels: the largest magnitude of each
//! chunk, the scale from these, the codes.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, types};
use hla_ir::{DType, Diagnostic, Node};

use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, View, Width};
use crate::lower::Lowering;

/// Elements of one item.
const CHUNK: i64 = 1 << 14;

pub(super) fn lower(cx: &mut Lowering<'_>, node: &Node, input: View) -> Result<(), Diagnostic> {
    let codes = cx.result(node, 0)?;
    let scale = cx.result(node, 1)?;
    // A planar value's halo is zero: it does not change the largest magnitude.
    let elements = input.storage_elements() as i64;
    let chunks = (elements + CHUNK - 1) / CHUNK;
    let maxima = cx.temp(chunks as u64 * 4);
    cx.run(Largest {
        input: input.clone(),
        elements,
        maxima,
    });
    cx.run(Scale {
        maxima,
        chunks,
        scale: scale.buffer,
    });
    crate::map::dynamic_quantize(cx, input, scale, codes);
    Ok(())
}

/// The largest magnitude of each chunk; NaNs do not take part.
struct Largest {
    input: View,
    elements: i64,
    maxima: Buffer,
}

impl EmitKernel for Largest {
    fn name(&self) -> String {
        "largest_magnitude".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.elements as u64).div_ceil(CHUNK as u64)
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        const SIDE_BY_SIDE: i64 = 4;
        const STEP: i64 = 4 * SIDE_BY_SIDE;
        let from = k.address(self.input.buffer);
        let maxima = k.address(self.maxima);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let start = k.scale(item, CHUNK);
            let past = k.offset(start, CHUNK);
            let limit = k.int(self.elements);
            let past = k.b.ins().smin(past, limit);
            let length = k.b.ins().isub(past, start);
            let whole = k.b.ins().band_imm_s(length, -STEP);
            let middle = k.b.ins().iadd(start, whole);
            let zero = k.f32_const(types::F32X4, 0.0);
            let init = [zero; SIDE_BY_SIDE as usize];
            let lanes = k.for_range_carry(start, middle, STEP, &init, |k, i, largest| {
                let at = k.index(from, i, 4);
                (0..SIDE_BY_SIDE)
                    .zip(largest)
                    .map(|(n, &largest)| {
                        let value = k.read(types::F32X4, at, 16 * n as i32);
                        let magnitude = k.b.ins().fabs(value);
                        k.max_or_second(magnitude, largest)
                    })
                    .collect()
            });
            let mut vector = lanes[0];
            for &other in &lanes[1..] {
                vector = k.max_or_second(other, vector);
            }
            let mut largest = k.f32_const(types::F32, 0.0);
            for lane in 0..4 {
                let value = k.b.ins().extractlane(vector, lane);
                largest = k.max_or_second(value, largest);
            }
            let largest = k.for_range_carry(middle, past, 1, &[largest], |k, i, largest| {
                let at = k.index(from, i, 4);
                let value = k.read(types::F32, at, 0);
                let magnitude = k.b.ins().fabs(value);
                vec![k.max_or_second(magnitude, largest[0])]
            });
            let at = k.index(maxima, item, 4);
            k.write(largest[0], at, 0);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport {
            multiply_free: true,
            ..KernelReport::new(
                format!("largest magnitude of {}", self.input.ty),
                "vector reduction",
            )
        }
    }
}

/// scale = largest/127, or 1 where that is zero.
struct Scale {
    maxima: Buffer,
    chunks: i64,
    scale: Buffer,
}

impl EmitKernel for Scale {
    fn name(&self) -> String {
        "dynamic_scale".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        1
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let maxima = k.address(self.maxima);
        let scale = k.address(self.scale);
        let zero = k.f32_const(types::F32, 0.0);
        let (start, end) = (k.int(0), k.int(self.chunks));
        let largest = k.for_range_carry(start, end, 1, &[zero], |k, i, largest| {
            let at = k.index(maxima, i, 4);
            let value = k.load_lanes(DType::F32, Width::One, at, true);
            vec![k.max_or_second(value, largest[0])]
        })[0];
        let limit = k.f32_const(types::F32, 127.0);
        let quotient = k.b.ins().fdiv(largest, limit);
        let one = k.f32_const(types::F32, 1.0);
        let none = k.fmask(FloatCC::Equal, largest, zero);
        let value = k.choose(none, one, quotient);
        k.write(value, scale, 0);
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new("scale of hla.dynamic_quantize", "scalar")
    }
}
