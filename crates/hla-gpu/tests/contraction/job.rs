//! A contraction of a case: kernels, what they are given, what must come out.

use std::collections::HashMap;

use hla_gpu::KernelCode;
use hla_gpu::contraction::{Contraction, Kernels};
use hla_gpu::options::Precision;
use hla_ir::{DType, Tensor, TensorType, ValueId};
use hla_reference::cases::Case;
use hla_reference::{Tolerance, evaluate};

/// Launches over buffers.
pub struct Job {
    pub name: String,
    /// Types of the buffers and what is in them at first.
    pub buffers: Vec<(TensorType, Option<Vec<u8>>)>,
    /// Kernels and the buffers that each is given.
    pub launches: Vec<(KernelCode, Vec<usize>)>,
    /// The buffer of the result, and what it must hold.
    pub result: usize,
    pub expected: Tensor,
    pub tolerance: Tolerance,
}

impl Job {
    /// Compares what came out with what must. Whole numbers are as near as their tolerance says, too.
    ///
    /// # Errors
    /// What is too far off.
    pub fn check(&self, result: &Tensor) -> Result<(), String> {
        let expected = &self.expected;
        let whole = !expected.dtype().is_float() && result.ty() == expected.ty();
        if self.tolerance == Tolerance::Exact || !whole {
            return self.tolerance.check(expected, result);
        }
        let [expected, result] = [expected, result].map(|tensor| {
            let ty = tensor.ty().with_dtype(DType::F32);
            Tensor::from_f64s(ty, tensor.iter_f64()).expect("as many elements")
        });
        self.tolerance.check(&expected, &result)
    }
}

/// The job of a case that is one contraction; `None` if it is anything else. With a type, operands
/// of f32 are given to kernels in it; what must come out stays.
pub fn job(case: &Case, precision: Precision, narrow: Option<DType>) -> Option<Job> {
    let function = &case.function;
    let [result] = function.results[..] else {
        return None;
    };
    let node = function.defining_node(result)?;
    let (mut contraction, values) = Contraction::of(function, node, precision)?;
    if let Some(dtype) = narrow {
        if contraction.operands[0].dtype != DType::F32 {
            return None;
        }
        for ty in &mut contraction.operands {
            if ty.dtype == DType::F32 {
                ty.dtype = dtype;
            }
        }
    }
    let kernels = contraction.kernels()?;
    let mut known: HashMap<ValueId, Tensor> = HashMap::new();
    for (i, input) in case.inputs.iter().enumerate() {
        known.insert(ValueId(i as u32), input.clone());
    }
    let mut buffers = Vec::new();
    let order = contraction.order().map(|i| values.operands[i]);
    for (i, value) in order.iter().chain(&values.extras).enumerate() {
        let tensor = known.get(value).or_else(|| function.constant_value(*value));
        let mut tensor = tensor?.clone();
        if let (Some(dtype), 0 | 1, DType::F32) = (narrow, i, tensor.ty().dtype) {
            let ty = tensor.ty().with_dtype(dtype);
            tensor = Tensor::from_f64s(ty, tensor.iter_f64()).expect("as many elements");
        }
        buffers.push((tensor.ty().clone(), Some(tensor.to_bytes().into_owned())));
    }
    let expected = evaluate(function, &case.inputs)
        .expect("a case of the suite")
        .remove(0);
    buffers.push((expected.ty().clone(), None));
    let result = buffers.len() - 1;
    let launches = match kernels {
        Kernels::One(kernel) => vec![(kernel, (0..=result).collect())],
        Kernels::Two { parts, buffer, sum } => {
            buffers.push((buffer, None));
            let temporary = result + 1;
            let rest = [temporary].into_iter().chain(2..=result).collect();
            vec![(parts, vec![0, 1, temporary]), (sum, rest)]
        }
    };
    Some(Job {
        name: case.name.clone(),
        buffers,
        launches,
        result,
        expected,
        tolerance: case.tolerance,
    })
}
