//! What every backend's program looks like from outside.

use std::fmt;
use std::sync::Arc;

use hla_ir::{Diagnostic, Function, Location, Tensor, TensorType, Type};

use crate::pool::ThreadPool;

/// One input or output of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// What a user calls it (`hla.name`, or an input's `hla.param`), where it has a name.
    pub name: Option<Arc<str>>,
    /// Type of the tensor.
    pub ty: TensorType,
    /// `hla.param` of an input: the name of the parameter that belongs here, if it is one.
    pub param: Option<Arc<str>>,
    /// `hla.updates` of an output: the parameter whose new value it is, if it is one.
    pub updates: Option<Arc<str>>,
}

/// The inputs and outputs of a program, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Signature {
    /// Inputs.
    pub inputs: Vec<Slot>,
    /// Outputs.
    pub outputs: Vec<Slot>,
}

impl Signature {
    /// The signature of a function whose arguments and results are all tensors.
    pub fn of(function: &Function) -> Result<Signature, Diagnostic> {
        let tensor = |ty: &Type, location: &Location, what: String| match ty {
            Type::Tensor(ty) => Ok(ty.clone()),
            Type::Opaque(text) => Err(Diagnostic::error(
                location.clone(),
                format!("{what} has the type {text}, which no program can take or give"),
            )
            .help("use ranked tensors with static shapes; `--batch` specialises a dynamic batch")),
        };
        let mut signature = Signature::default();
        for (i, arg) in function.args.iter().enumerate() {
            signature.inputs.push(Slot {
                name: arg.name.clone().or_else(|| arg.param.clone()),
                ty: tensor(&arg.ty, &arg.location, format!("argument {i}"))?,
                param: arg.param.clone(),
                updates: None,
            });
        }
        for (i, &result) in function.results.iter().enumerate() {
            let location = function
                .defining_node(result)
                .map_or(&function.location, |n| &n.location);
            signature.outputs.push(Slot {
                name: function.result_name(i).map(Arc::from),
                ty: tensor(function.ty(result), location, format!("result {i}"))?,
                param: None,
                updates: function.updates(i).map(Arc::from),
            });
        }
        Ok(signature)
    }

    /// Checks that these are values for the inputs: as many, and each of its type.
    pub fn check(&self, inputs: &[Tensor]) -> Result<(), Diagnostic> {
        let refuse = |message: String| Diagnostic::error(Location::unknown(), message);
        if inputs.len() != self.inputs.len() {
            return Err(refuse(format!(
                "the program takes {} inputs, but {} are given",
                self.inputs.len(),
                inputs.len()
            ))
            .help(format!("the inputs are {self}")));
        }
        for (i, (slot, tensor)) in self.inputs.iter().zip(inputs).enumerate() {
            if slot.ty != *tensor.ty() {
                let name = slot.name.as_deref().map(|n| format!(" '{n}'"));
                return Err(refuse(format!(
                    "input {i}{} is {}, but the program takes {}",
                    name.unwrap_or_default(),
                    tensor.ty(),
                    slot.ty
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, slots: &[Slot]| {
            f.write_str("(")?;
            for (i, slot) in slots.iter().enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                match &slot.name {
                    Some(name) => write!(f, "{comma}{name}: {}", slot.ty)?,
                    None => write!(f, "{comma}{}", slot.ty)?,
                }
            }
            f.write_str(")")
        };
        list(f, &self.inputs)?;
        f.write_str(" -> ")?;
        list(f, &self.outputs)
    }
}

/// A program ready to run. Running twice on the same inputs gives the same bits, with any pool or
/// none.
pub trait Executable {
    /// What it takes and gives.
    fn signature(&self) -> &Signature;

    /// Runs once. The inputs must satisfy [`Signature::check`]; the results have the types of
    /// [`Signature::outputs`].
    fn run(&self, inputs: &[Tensor], pool: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic>;
}

#[cfg(test)]
mod tests {
    use hla_ir::{Arg, DType};

    use super::*;

    fn signature() -> Signature {
        let mut f = Function::new("main");
        let x = f.add_arg(Arg::new(TensorType::f32([2, 3])).named("image"));
        f.add_arg(Arg::new(TensorType::new([4], DType::I8)).param("w"));
        f.results.push(x);
        Signature::of(&f).unwrap()
    }

    #[test]
    fn names_and_types_come_from_the_function() {
        assert_eq!(
            signature().to_string(),
            "(image: tensor<2x3xf32>, w: tensor<4xi8>) -> (tensor<2x3xf32>)"
        );
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let s = signature();
        let image = Tensor::splat(TensorType::f32([2, 3]), 1.0);
        let w = Tensor::splat(TensorType::new([4], DType::I8), 1.0);
        assert!(s.check(&[image.clone(), w.clone()]).is_ok());
        let few = s.check(std::slice::from_ref(&image)).unwrap_err();
        assert!(few.message.contains("takes 2 inputs, but 1 are given"));
        let wrong = s.check(&[w, image]).unwrap_err();
        assert_eq!(
            wrong.message,
            "input 0 'image' is tensor<4xi8>, but the program takes tensor<2x3xf32>"
        );
    }

    #[test]
    fn opaque_types_are_refused() {
        let mut f = Function::new("main");
        f.add_arg(Arg::new(Type::Opaque("tensor<?xf32>".to_owned())));
        let error = Signature::of(&f).unwrap_err();
        assert!(error.message.contains("tensor<?xf32>"), "{error}");
    }
}
