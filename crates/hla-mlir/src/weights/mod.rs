//! Weights from a safetensors file: the arguments that carry `hla.param` become constants over the
//! mapped bytes of the file, without a copy.
//!
//! - `file` reads the format.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hla_ir::rewrite::Rewriter;
use hla_ir::{Arg, Attrs, DType, Diagnostic, Function, Module, Op, Severity, Tensor, Type};

use crate::suggest::nearest;
use file::WeightsFile;

/// How weights are bound.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BindOptions {
    /// NaN and infinite weights are taken as they are.
    pub allow_non_finite: bool,
}

/// Replaces every parameter of every function by the tensor of its name in a safetensors file. The
/// constant carries the name as `hla.param`. Gives warnings: tensors that no parameter uses, and
/// tensors converted from a narrower floating-point type.
///
/// # Errors
/// One for each parameter that the file has not, or has with another shape or element type, or with
/// a NaN or an infinity in it: all at once.
pub fn bind(module: &mut Module, path: &Path) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    bind_with(module, path, BindOptions::default())
}

/// As [`bind`], with options.
///
/// # Errors
/// As [`bind`].
pub fn bind_with(
    module: &mut Module,
    path: &Path,
    options: BindOptions,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let file = WeightsFile::open(path).map_err(|error| vec![error])?;
    let mut binder = Binder {
        options,
        wanted: params(module)
            .filter_map(|arg| arg.param.as_deref().map(str::to_owned))
            .collect(),
        file,
        checked: BTreeMap::new(),
        diagnostics: Vec::new(),
    };
    for arg in params(module) {
        binder.check(arg);
    }
    if binder
        .diagnostics
        .iter()
        .all(|d| d.severity < Severity::Error)
    {
        binder.warn_of_unused();
        for function in &mut module.functions {
            match binder.function(function) {
                Ok(bound) => *function = bound,
                Err(error) => binder.diagnostics.push(error),
            }
        }
    }
    match binder
        .diagnostics
        .iter()
        .any(|d| d.severity == Severity::Error)
    {
        true => Err(binder.diagnostics),
        false => Ok(binder.diagnostics),
    }
}

/// Refuses parameters that still have no value: one error that names every one of them.
///
/// # Errors
/// If there is one.
pub fn require_bound(module: &Module) -> Result<(), Diagnostic> {
    let mut unbound = params(module);
    let Some(first) = unbound.next() else {
        return Ok(());
    };
    let describe = |arg: &Arg| {
        (
            arg.location.clone(),
            format!(
                "parameter '{}' is {}",
                arg.param.as_deref().unwrap_or_default(),
                arg.ty
            ),
        )
    };
    let mut error = Diagnostic::error(
        first.location.clone(),
        "the model's parameters have no values",
    )
    .help("give the trained weights with `--weights model.safetensors`");
    for arg in std::iter::once(first).chain(unbound) {
        let (location, note) = describe(arg);
        error = error.note(location, note);
    }
    Err(error)
}

fn params(module: &Module) -> impl Iterator<Item = &Arg> {
    module
        .functions
        .iter()
        .flat_map(|f| &f.args)
        .filter(|arg| arg.param.is_some())
}

struct Binder {
    options: BindOptions,
    file: WeightsFile,
    /// Names of all parameters.
    wanted: BTreeSet<String>,
    /// Tensors that fit, by name and element type.
    checked: BTreeMap<(String, DType), Tensor>,
    diagnostics: Vec<Diagnostic>,
}

impl Binder {
    /// Finds and checks the tensor of a parameter.
    fn check(&mut self, arg: &Arg) {
        let Some(name) = arg.param.as_deref() else {
            return;
        };
        let error = |message: String| Diagnostic::error(arg.location.clone(), message);
        let found = match self.file.tensor(name) {
            None => {
                let mut missing = error(format!(
                    "parameter '{name}' is not in {}",
                    self.file.location()
                ));
                let unused = self.file.names().filter(|n| !self.wanted.contains(*n));
                missing = match nearest(name, unused) {
                    Some(near) => {
                        missing.help(format!("did you mean '{near}', which no parameter uses?"))
                    }
                    None => missing.help("`hlac inspect` lists the tensors of a safetensors file"),
                };
                self.diagnostics.push(missing);
                return;
            }
            Some(Err(message)) => {
                let here = self.file.location();
                self.diagnostics.push(Diagnostic::error(
                    here,
                    format!("tensor '{name}': {message}"),
                ));
                return;
            }
            Some(Ok(tensor)) => tensor,
        };
        let Type::Tensor(want) = &arg.ty else {
            self.diagnostics.push(error(format!(
                "parameter '{name}' is {}, which hlac cannot bind",
                arg.ty
            )));
            return;
        };
        let widens = want.dtype == DType::F32 && matches!(found.dtype(), DType::F16 | DType::BF16);
        if want.shape != found.shape() || (want.dtype != found.dtype() && !widens) {
            self.diagnostics.push(
                error(format!(
                    "parameter '{name}' is {want}, but the file has {}",
                    found.ty()
                ))
                .help("a convolution's weights are OHWI here (PyTorch's are OIHW); the element type must agree"),
            );
            return;
        }
        if !self.options.allow_non_finite
            && let Some((index, value)) = non_finite(&found)
        {
            self.diagnostics.push(
                Diagnostic::error(
                    self.file.location(),
                    format!("tensor '{name}' holds {value} at index {index:?}"),
                )
                .help("training has diverged, or the file is damaged"),
            );
            return;
        }
        let tensor = match widens {
            false => found,
            true => {
                let converted = Tensor::from_f32s(found.shape(), &found.to_f32s());
                self.diagnostics.push(Diagnostic::warning(
                    self.file.location(),
                    format!("tensor '{name}' is converted from {} to f32", found.dtype()),
                ));
                match converted {
                    Ok(tensor) => tensor,
                    Err(message) => return self.diagnostics.push(error(message)),
                }
            }
        };
        self.checked.insert((name.to_owned(), want.dtype), tensor);
    }

    fn warn_of_unused(&mut self) {
        let unused: Vec<&str> = self
            .file
            .names()
            .filter(|n| !self.wanted.contains(*n))
            .collect();
        if !unused.is_empty() {
            let message = format!("no parameter uses {}", unused.join(", "));
            self.diagnostics
                .push(Diagnostic::warning(self.file.location(), message));
        }
    }

    /// The function with constants for parameters.
    fn function(&self, function: &Function) -> Result<Function, Diagnostic> {
        if function.args.iter().all(|arg| arg.param.is_none()) {
            return Ok(function.clone());
        }
        let mut rewriter = Rewriter::without_args(function);
        for (i, arg) in function.args.iter().enumerate() {
            if arg.param.is_none() {
                rewriter.copy_arg(i);
            }
        }
        for (i, arg) in function.args.iter().enumerate() {
            let (Some(name), Type::Tensor(ty)) = (arg.param.as_deref(), &arg.ty) else {
                continue;
            };
            let key = (name.to_owned(), ty.dtype);
            let Some(tensor) = self.checked.get(&key) else {
                continue;
            };
            let attrs = Attrs::new()
                .with("values", tensor.clone())
                .with("hla.param", name);
            let constant = rewriter.push(Op::Const, &[], attrs, arg.location.clone())?;
            rewriter.set(hla_ir::ValueId(i as u32), constant);
        }
        for (id, _) in function.iter_nodes() {
            rewriter.copy(id)?;
        }
        Ok(rewriter.finish())
    }
}

/// The first NaN or infinity of a tensor.
fn non_finite(tensor: &Tensor) -> Option<(Vec<usize>, f64)> {
    let bytes = tensor.dense_bytes()?;
    // An exponent of all ones; whole chunks at a time, as this reads every weight there is.
    let at = match tensor.dtype() {
        DType::F32 => position(bytes.as_chunks::<4>().0, |b| {
            u32::from_le_bytes(b) & 0x7F80_0000 == 0x7F80_0000
        }),
        DType::F16 => position(bytes.as_chunks::<2>().0, |b| {
            u16::from_le_bytes(b) & 0x7C00 == 0x7C00
        }),
        DType::BF16 => position(bytes.as_chunks::<2>().0, |b| {
            u16::from_le_bytes(b) & 0x7F80 == 0x7F80
        }),
        _ => None,
    }?;
    let strides = tensor.ty().strides();
    let index = strides
        .iter()
        .zip(tensor.shape())
        .map(|(stride, extent)| at / stride % extent)
        .collect();
    let width = tensor.dtype().bytes();
    let element = &bytes[at * width..(at + 1) * width];
    Some((index, hla_ir::tensor::element_f64(tensor.dtype(), element)))
}

fn position<const N: usize>(
    elements: &[[u8; N]],
    found: impl Fn([u8; N]) -> bool,
) -> Option<usize> {
    let chunk = elements
        .chunks(1024)
        .position(|c| c.iter().fold(false, |any, &e| any | found(e)))?;
    let start = chunk * 1024;
    elements[start..]
        .iter()
        .position(|&e| found(e))
        .map(|i| start + i)
}

#[cfg(test)]
mod tests {
    use hla_ir::Location;

    use super::*;

    #[test]
    fn the_first_non_finite_element_is_found() {
        let mut values = vec![0.5_f32; 3 * 1000];
        assert_eq!(
            non_finite(&Tensor::from_f32s([3, 1000], &values).unwrap()),
            None
        );
        values[2345] = f32::NEG_INFINITY;
        values[2346] = f32::NAN;
        let tensor = Tensor::from_f32s([3, 1000], &values).unwrap();
        assert_eq!(non_finite(&tensor), Some((vec![2, 345], f64::NEG_INFINITY)));
        let max = Tensor::from_f32s([2], &[f32::MAX, f32::MIN]).unwrap();
        assert_eq!(non_finite(&max), None);
    }

    #[test]
    fn unbound_parameters_are_all_named() {
        let mut f = Function::new("f");
        f.add_arg(Arg::new(hla_ir::TensorType::f32([2])).named("x"));
        f.add_arg(Arg::new(hla_ir::TensorType::f32([2])).param("a.weight"));
        f.add_arg(Arg::new(hla_ir::TensorType::f32([3])).param("b.weight"));
        let module = Module {
            functions: vec![f],
            ..Module::default()
        };
        let error = require_bound(&module).unwrap_err();
        assert_eq!(error.notes.len(), 2);
        assert!(error.to_string().contains("b.weight"));
        assert_eq!(error.location, Location::unknown());
    }
}
