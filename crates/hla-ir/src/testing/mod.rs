//! Functions for property tests and fuzzers: any sequence of numbers is a valid function over many
//! ops, element types, odd shapes, attributes and locations. A shorter sequence is a smaller
//! function, so a property-test library shrinks it well.

mod ops;
mod training;

use crate::attr::{Attr, Attrs};
use crate::diagnostic::Location;
use crate::graph::{Arg, Function, Module, ValueId};
use crate::ops::{OPS, Op};
use crate::tensor::Tensor;
use crate::types::{DType, TensorType, Type};

/// What a generated function may have besides ops hlac knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// Ops, types and attributes that hlac does not know.
    pub opaque: bool,
    /// Locations and odd names; without them nothing has a location and only inputs have names.
    pub names: bool,
    /// Floats of any bits; without them small numbers.
    pub special_floats: bool,
    /// Ops of training, which only a backend that trains has.
    pub training: bool,
}

/// Element types of generated values. `index` is no element type of TOSA's tensors.
const DTYPES: [DType; 8] = [
    DType::F32,
    DType::I8,
    DType::I32,
    DType::F16,
    DType::BF16,
    DType::I1,
    DType::I16,
    DType::I64,
];

/// A module of up to two functions.
pub fn module(words: &[u32], options: Options) -> Module {
    let mut make = Maker::new(words, options);
    let mut module = Module {
        attrs: make.discardable(),
        ..Module::default()
    };
    for i in 0..1 + make.below(2) {
        make.function = Function::new(&format!("f{i}"));
        make.body(12);
        module
            .functions
            .push(std::mem::replace(&mut make.function, Function::new("")));
    }
    if options.opaque && make.chance(4) {
        module
            .opaque
            .push("\"other.top\"() {x = 1 : i3} : () -> ()".into());
    }
    module
}

/// A function of up to `nodes` ops.
pub fn function(words: &[u32], options: Options, nodes: usize) -> Function {
    let mut make = Maker::new(words, options);
    make.body(nodes);
    make.function
}

struct Maker<'a> {
    words: std::slice::Iter<'a, u32>,
    options: Options,
    function: Function,
}

impl Maker<'_> {
    fn new(words: &[u32], options: Options) -> Maker<'_> {
        Maker {
            words: words.iter(),
            options,
            function: Function::new("main"),
        }
    }

    /// A number below `n`; 0 when the sequence is at its end.
    fn below(&mut self, n: usize) -> usize {
        self.words.next().map_or(0, |&w| w as usize % n.max(1))
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == one_in - 1
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn body(&mut self, nodes: usize) {
        for i in 0..1 + self.below(3) {
            let mut arg = Arg::new(self.ty());
            arg.name = Some(format!("input{i}").into());
            if self.options.names {
                arg.name = self.chance(2).then(|| self.string().into());
                arg.param = self.chance(3).then(|| self.string().into());
                arg.attrs = self.discardable();
                arg.location = self.location();
            }
            if self.options.opaque && self.chance(6) {
                arg.ty = Type::Opaque("!other.type<\"%x>\">".to_owned());
            }
            self.function.add_arg(arg);
        }
        self.function.location = self.location();
        if self.options.names {
            self.function.attrs = self.discardable();
        }
        let all = OPS.iter().map(|def| def.op);
        let known: Vec<Op> = all
            .filter(|op| self.options.training || !op.is_training())
            .collect();
        for _ in 0..self.below(nodes + 1) {
            if self.words.len() == 0 {
                break;
            }
            let op = self.pick(&known);
            self.node(op);
        }
        for i in 0..1 + self.below(3) {
            let all = self.function.values.len();
            let result = ValueId(self.below(all) as u32);
            self.function.results.push(result);
            if self.options.names {
                for (name, value) in self.discardable().iter() {
                    self.function.set_result_attr(i, name, value.clone());
                }
            }
        }
    }

    fn ty(&mut self) -> TensorType {
        let dtype = self.pick(&DTYPES);
        let rank = self.pick(&[4, 2, 3, 1, 0, 5]);
        self.shaped(rank, dtype)
    }

    fn shaped(&mut self, rank: usize, dtype: DType) -> TensorType {
        let shape: Vec<usize> = (0..rank).map(|_| 1 + self.below(4)).collect();
        TensorType { shape, dtype }
    }

    fn string(&mut self) -> String {
        let odd = [
            "a",
            "weight.0",
            "\"",
            "\\",
            "ä€\u{1F600}",
            "\u{7f}\u{1b}",
            "%x",
            "a b",
            "-",
        ];
        format!("{}{}", self.pick(&odd), self.pick(&odd))
    }

    fn location(&mut self) -> Location {
        if !self.options.names {
            return Location::unknown();
        }
        let mut location = Location::unknown();
        if self.chance(2) {
            location = Location::file(
                self.string(),
                self.below(5000) as u32,
                self.below(200) as u32,
            );
        }
        location.name = self.chance(3).then(|| self.string().into());
        location
    }

    fn discardable(&mut self) -> Attrs {
        let mut attrs = Attrs::new();
        while self.options.names && self.chance(3) {
            let value = match self.below(9) {
                0 => Attr::I64(self.pick(&[0, -1, i64::MIN, i64::MAX])),
                1 => Attr::F32(self.float()),
                2 => Attr::Bool(self.chance(2)),
                3 => Attr::Str(self.string().into()),
                4 => Attr::I64s(vec![3; self.below(3)]),
                5 => Attr::F32s((0..self.below(3)).map(|_| self.float()).collect()),
                6 => Attr::DType(self.pick(&DType::ALL)),
                7 => {
                    let ty = self.ty();
                    Attr::Tensor(self.tensor(&ty))
                }
                _ => Attr::Raw("[#other.a<1>, 3 : i7, unit]".into()),
            };
            // Bare identifiers: upstream prints others unquoted in the attributes of `tosa.clamp`.
            let name = format!("test.{}", self.pick(&["a", "b", "c$d_1"]));
            attrs.set(&name, value);
        }
        attrs
    }

    fn float(&mut self) -> f32 {
        let special = [
            0x7F80_0000,
            0xFF80_0000,
            0x7FC0_0001,
            0x7F80_0001,
            0x8000_0000,
            1,
            0x7F7F_FFFF,
        ];
        match self.below(3) {
            0 if self.options.special_floats => f32::from_bits(self.pick(&special)),
            1 if self.options.special_floats => {
                f32::from_bits(self.below(u32::MAX as usize) as u32)
            }
            _ => self.below(1000) as f32 / 250.0 - 2.0,
        }
    }

    /// A constant of this type: repeated, small, or of any bytes.
    fn tensor(&mut self, ty: &TensorType) -> Tensor {
        let splat = self.chance(3);
        let count = if splat { 1 } else { ty.elements() };
        let mut bytes = Vec::new();
        for _ in 0..count {
            match ty.dtype {
                DType::I1 => bytes.push(self.below(2) as u8),
                DType::F32 => bytes.extend(self.float().to_le_bytes()),
                dtype if dtype.is_float() && !self.options.special_floats => {
                    let value = f64::from(self.float());
                    crate::tensor::push_f64(&mut bytes, dtype, value);
                }
                dtype => {
                    let word = (self.below(u32::MAX as usize) as i32 as i64).to_le_bytes();
                    bytes.extend_from_slice(&word[..dtype.bytes()]);
                }
            }
        }
        let made = match splat {
            true => Tensor::splat_bytes(ty.clone(), &bytes),
            false => Tensor::from_bytes(ty.clone(), bytes),
        };
        made.unwrap_or_else(|_| Tensor::splat(ty.clone(), 0.0))
    }

    /// An existing value that fits, or else a new constant.
    fn value(&mut self, fits: impl Fn(&TensorType) -> bool, or: TensorType) -> ValueId {
        let found: Vec<ValueId> = (0..self.function.values.len() as u32)
            .map(ValueId)
            .filter(|&v| self.function.ty(v).tensor().is_some_and(&fits))
            .collect();
        if found.is_empty() || self.chance(4) {
            return self.constant(or);
        }
        self.pick(&found)
    }

    fn constant(&mut self, ty: TensorType) -> ValueId {
        let tensor = self.tensor(&ty);
        let location = self.location();
        self.function.constant(tensor, location)
    }

    fn any_of(&mut self, rank: Option<usize>, dtypes: &[DType]) -> ValueId {
        let dtype = self.pick(dtypes);
        let rank_or = rank.unwrap_or(2);
        let or = self.shaped(rank_or, dtype);
        self.value(
            |ty| dtypes.contains(&ty.dtype) && rank.is_none_or(|r| ty.rank() == r),
            or,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn generated_functions_are_valid_and_reach_every_op() {
        let mut seen = BTreeSet::new();
        let mut state = 1_u32;
        for _ in 0..3000 {
            let words: Vec<u32> = (0..400)
                .map(|_| {
                    // Marsaglia's xorshift.
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    state
                })
                .collect();
            let options = Options {
                opaque: true,
                names: true,
                special_floats: true,
                training: true,
            };
            let module = module(&words, options);
            crate::verify::verify_module(&module).unwrap();
            for node in module.functions.iter().flat_map(|f| &f.nodes) {
                seen.insert(node.op);
            }
        }
        let missing: Vec<&str> = OPS
            .iter()
            .filter(|d| !seen.contains(&d.op))
            .map(|d| d.name)
            .collect();
        assert!(missing.is_empty(), "never generated: {missing:?}");
        crate::verify::verify_module(&module(&[], Options::default())).unwrap();
    }
}
