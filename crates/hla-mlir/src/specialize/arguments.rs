//! Dynamic extents of arguments, replaced before the body is read: everything else follows by
//! shape inference.

use hla_ir::{Arg, Diagnostic, TensorType, Type};

use super::{InputName, ParseOptions};
use crate::ffi::RankedType;

/// Arguments of one function.
pub(crate) struct Inputs<'a> {
    /// The function's name.
    pub(crate) function: &'a str,
    /// The arguments; types are replaced here.
    pub(crate) args: &'a mut [Arg],
    /// For each argument its type, if that is dynamic.
    pub(crate) dynamic: &'a [Option<RankedType>],
}

impl Inputs<'_> {
    /// Replaces dynamic types, and refuses what stays dynamic: one error that names every argument.
    pub(crate) fn specialize(self, options: &ParseOptions) -> Result<(), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut open = Vec::new();
        let mut position = 0;
        for (i, arg) in self.args.iter_mut().enumerate() {
            let name = describe(arg, i);
            let given = match arg.param {
                Some(_) => None,
                None => {
                    position += 1;
                    given_shape(options, arg, position - 1)
                }
            };
            let Some(ty) = &self.dynamic[i] else {
                if let (Some(given), Some(ty)) = (given, arg.ty.tensor())
                    && ty.shape != *given
                    && !rebatched(ty, given)
                {
                    errors.push(
                        Diagnostic::error(
                            arg.location.clone(),
                            format!(
                                "{name} of '@{}' is {ty}, which the shape {:?} does not fit",
                                self.function, given
                            ),
                        )
                        .help("only dynamic extents, and the batch in dimension 0, can be chosen"),
                    );
                }
                continue;
            };
            let shape: Option<Vec<usize>> = match given {
                Some(given) => Some(given.to_vec()),
                None => ty
                    .shape
                    .iter()
                    .enumerate()
                    .map(|(d, extent)| {
                        extent.or(options.batch.filter(|_| d == 0 && arg.param.is_none()))
                    })
                    .collect(),
            };
            let Some(shape) = shape else {
                open.push((arg.location.clone(), format!("{name} is {}", arg.ty)));
                continue;
            };
            match TensorType::try_new(shape, ty.dtype) {
                Ok(fixed) if ty.admits(&fixed) => arg.ty = Type::Tensor(fixed),
                Ok(fixed) => errors.push(
                    Diagnostic::error(
                        arg.location.clone(),
                        format!(
                            "{name} of '@{}' is {}, which {fixed} does not fit",
                            self.function, arg.ty
                        ),
                    )
                    .help("give an extent for each dimension; where one is open (`?`), --input-shape leaves static ones as they are"),
                ),
                Err(message) => errors.push(Diagnostic::error(arg.location.clone(), message)),
            }
        }
        if let Some((location, _)) = open.first() {
            let mut error = Diagnostic::error(
                location.clone(),
                format!("'@{}' has inputs with dynamic extents", self.function),
            )
            .help("choose them with `--batch N` or `--input-shape NAME=1x8x8x3`");
            for (location, note) in open {
                error = error.note(location, note);
            }
            errors.push(error);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// The shape that the options give an argument; `position` counts those that are no parameters.
pub(super) fn given_shape<'o>(
    options: &'o ParseOptions,
    arg: &Arg,
    position: usize,
) -> Option<&'o [usize]> {
    let given = options.input_shapes.iter().find(|s| match &s.input {
        InputName::Position(p) => *p == position,
        InputName::Name(n) => arg.name.as_deref() == Some(n),
    });
    given.map(|s| &*s.shape)
}

/// Whether a shape differs from a type in dimension 0 only.
fn rebatched(ty: &TensorType, shape: &[usize]) -> bool {
    shape.len() == ty.rank() && !shape.is_empty() && shape[1..] == ty.shape[1..]
}

/// An argument in words.
fn describe(arg: &Arg, position: usize) -> String {
    match (&arg.param, &arg.name) {
        (Some(name), _) => format!("parameter '{name}'"),
        (None, Some(name)) => format!("input '{name}'"),
        (None, None) => format!("argument {position}"),
    }
}
