//! One kernel of a reduction, and what both kinds of kernels do alike.

use hla_ir::{DType, TensorType};

use super::access::{Access, store_alignment};
use super::combine::{narrowed, widened};
use super::plan::{Extents, Schedule};
use super::{Combine, Reduce, columns, linalg, rows};
use crate::Text;
use crate::int::{Int, Ints};
use crate::kernel::KernelCode;
use crate::lower::chain::Strided;
use crate::lower::{Arg, Lowering, Place};
use crate::text::{memref, stored, vector};

/// What becomes of one or two results of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub combine: Combine,
    /// Element type of what is combined.
    pub dtype: DType,
    /// Element type of the result.
    pub result: DType,
    /// Which of the body's results is combined.
    pub value: usize,
    /// Which of them has the indices, where they are not those of the elements.
    pub index: Option<usize>,
}

impl Part {
    /// Element types of the state.
    pub fn accumulators(&self) -> Vec<DType> {
        self.combine.accumulators(self.dtype)
    }
}

/// A kernel: reduces each segment of a domain; writes the states, or what follows from them.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    /// Domain, inputs and body.
    pub reduce: &'a Reduce,
    pub parts: Vec<Part>,
    /// Whether the reduction ends here, and what follows it is computed and stored; else the states
    /// are.
    pub finishes: bool,
    pub schedule: Schedule,
    computes: String,
}

/// The parts that a reduction's body itself gives.
fn own_parts(reduce: &Reduce) -> Vec<Part> {
    let parts = reduce.parts.iter().zip(&reduce.body.results).enumerate();
    parts
        .map(|(value, (&combine, &result))| {
            let dtype = reduce.body.dtype(result);
            Part {
                combine,
                dtype,
                result: combine.result(dtype),
                value,
                index: None,
            }
        })
        .collect()
}

impl<'a> Pass<'a> {
    /// The only kernel of a reduction.
    pub fn only(reduce: &'a Reduce, schedule: Schedule) -> Pass<'a> {
        Pass {
            reduce,
            parts: own_parts(reduce),
            finishes: true,
            schedule,
            computes: format!("{} over {:?}", reduce.computes, reduce.domain.all()),
        }
    }

    /// The kernel that gives the states of all segments.
    pub fn first(reduce: &'a Reduce, schedule: Schedule) -> Pass<'a> {
        let mut pass = Pass::only(reduce, schedule);
        pass.finishes = false;
        pass.computes.push_str(", in segments");
        pass
    }

    /// The kernel that combines these; `states` is the reduction of them.
    pub fn second(reduce: &Reduce, states: &'a Reduce, schedule: Schedule) -> Pass<'a> {
        let mut next = 0;
        let parts = own_parts(reduce).into_iter().map(|part| {
            let states = part.accumulators();
            let value = next;
            next += states.len();
            Part {
                dtype: states[0],
                value,
                index: (states.len() > 1).then_some(value + 1),
                ..part
            }
        });
        Pass {
            parts: parts.collect(),
            reduce: states,
            finishes: true,
            schedule,
            computes: format!("{}, of segments", reduce.computes),
        }
    }

    /// Adds the launch; results are flat.
    pub fn launch(&self, cx: &mut Lowering<'_>, results: &[Place]) {
        let mut args: Vec<Arg> = self.read_inputs().map(|i| i.place.flat().read()).collect();
        args.extend(results.iter().map(|place| place.flat().write()));
        cx.launch(self.code(), args);
    }

    fn read_inputs(&self) -> impl Iterator<Item = &Strided> {
        let further = match self.finishes {
            true => &self.reduce.finish_inputs[..],
            false => &[],
        };
        self.reduce.inputs.iter().chain(further)
    }

    /// The kernel's code.
    pub fn code(&self) -> KernelCode {
        let (gpu, grid, block) = match self.schedule {
            Schedule::Rows(rows) => rows::emit(self, rows),
            Schedule::Columns(columns) => columns::emit(self, columns),
        };
        KernelCode {
            computes: self.computes.clone(),
            grid,
            block,
            shared_bytes: 0,
            gpu,
            linalg: linalg::emit(self),
        }
    }

    /// Extents of the domain.
    pub fn extents(&self) -> Extents {
        self.reduce.domain
    }

    /// Integers for all places.
    pub fn ints(&self) -> Ints {
        let places = self.read_inputs().map(|i| i.place.ty.elements());
        let largest = places.max().unwrap_or(0);
        Ints::for_elements(largest.max(self.extents().elements()))
    }

    /// Element types of the states of all parts.
    pub fn states(&self) -> Vec<DType> {
        self.parts.iter().flat_map(Part::accumulators).collect()
    }

    /// The types of what is read, in order, in one dimension each.
    pub fn inputs(&self) -> Vec<TensorType> {
        self.read_inputs().map(|i| i.place.flat().ty).collect()
    }

    /// The types of what is written, in order, in one dimension each.
    pub fn outputs(&self) -> Vec<TensorType> {
        let e = self.extents();
        let elements = e.outer * e.inner;
        if !self.finishes {
            let elements = elements * self.schedule.segments();
            let states = self.states().into_iter();
            return states
                .map(|dtype| TensorType::new([elements], dtype))
                .collect();
        }
        let body = &self.reduce.finish;
        let results = body.results.iter();
        results
            .map(|&v| TensorType::new([elements], body.dtype(v)))
            .collect()
    }

    /// States before the first element, on lanes.
    pub fn start(&self, t: &mut Text, lanes: usize) -> Vec<String> {
        let empty = self.extents().axis == 0;
        let mut names = Vec::new();
        for part in &self.parts {
            let values = part.combine.start(part.dtype, empty);
            for (value, dtype) in values.into_iter().zip(part.accumulators()) {
                let ty = vector(lanes, stored(dtype));
                names.push(t.constant(match lanes {
                    1 => format!("{value} : {ty}"),
                    _ => format!("dense<{value}> : {ty}"),
                }));
            }
        }
        names
    }

    /// The states of all parts after further ones.
    pub fn combine(&self, t: &mut Text, lanes: usize, a: &[String], b: &[String]) -> Vec<String> {
        let mut all = Vec::with_capacity(a.len());
        for part in &self.parts {
            let states = all.len()..all.len() + part.accumulators().len();
            let combined =
                part.combine
                    .combine(t, part.dtype, lanes, &a[states.clone()], &b[states]);
            all.extend(combined);
        }
        all
    }

    /// The states of elements, given what the body gives; `index` is their index along the axis as
    /// i32, in lanes.
    pub fn elements(
        &self,
        t: &mut Text,
        lanes: usize,
        values: &[String],
        index: &mut dyn FnMut(&mut Text) -> String,
    ) -> Vec<String> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.push(widened(t, part.dtype, lanes, &values[part.value]));
            if part.accumulators().len() > 1 {
                all.push(match part.index {
                    Some(i) => values[i].clone(),
                    None => index(t),
                });
            }
        }
        all
    }

    /// The results of all parts as they are stored.
    pub fn results(&self, t: &mut Text, lanes: usize, states: &[String]) -> Vec<String> {
        let mut next = 0;
        let mut results = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let dtypes = part.accumulators();
            next += dtypes.len();
            // Of two states, the second is the index.
            let (from, state) = (dtypes[dtypes.len() - 1], &states[next - 1]);
            results.push(narrowed(t, from, part.result, lanes, state));
        }
        results
    }

    /// Reads the body's inputs at a position and gives the states of the elements there.
    pub fn read(
        &self,
        t: &mut Text,
        memory: &[String],
        (along, lanes): (usize, usize),
        at: &[Int; 3],
    ) -> Vec<String> {
        let ints = self.ints();
        let inputs = self.reduce.inputs.iter().zip(memory);
        let loaded: Vec<String> = inputs
            .map(|(input, memory)| Access::new(input).load(t, ints, (along, lanes), memory, at))
            .collect();
        let values = self.reduce.body.emit(t, lanes, &loaded);
        self.elements(t, lanes, &values, &mut |t| {
            let first = ints.i32(t, &at[1]);
            if lanes == 1 {
                return first;
            }
            let ty = format!("vector<{lanes}xi32>");
            let same = t.op(format_args!("vector.broadcast {first} : i32 to {ty}"));
            if along != 1 {
                return same;
            }
            let steps: Vec<String> = (0..lanes).map(|lane| lane.to_string()).collect();
            let steps = t.constant(format_args!("dense<[{}]> : {ty}", steps.join(", ")));
            t.op(format_args!("arith.addi {same}, {steps} : {ty}"))
        })
    }

    /// Writes what becomes of the states of `lanes` neighbouring results, of a segment if states are
    /// written; `at` is the first result's place in [outer, inner].
    pub fn write(
        &self,
        t: &mut Text,
        memory: (&[String], &[String]),
        lanes: usize,
        states: &[String],
        (outer, segment, inner): (&Int, &Int, &Int),
    ) {
        let (inputs, outputs) = memory;
        let ints = self.ints();
        let (values, row) = if self.finishes {
            let mut values = self.results(t, lanes, states);
            let at = [outer.clone(), Int::Known(0), inner.clone()];
            let further = &inputs[self.reduce.inputs.len()..];
            for (input, memory) in self.reduce.finish_inputs.iter().zip(further) {
                values.push(Access::new(input).load(t, ints, (2, lanes), memory, &at));
            }
            (self.reduce.finish.emit(t, lanes, &values), outer.clone())
        } else {
            let row = ints.mul(t, outer, self.schedule.segments());
            (states.to_vec(), ints.add(t, &row, segment))
        };
        let row = ints.mul(t, &row, self.extents().inner);
        let place = ints.add(t, &row, inner);
        let place = ints.index(t, &place);
        for ((value, memory), ty) in values.iter().zip(outputs).zip(self.outputs()) {
            let flat = memref(&ty);
            t.line(match lanes {
                1 => format!("memref.store {value}, {memory}[{place}] : {flat}"),
                _ => format!(
                    "vector.store {value}, {memory}[{place}] {{alignment = {} : i64}} : {flat}, {}",
                    store_alignment(&ty, lanes),
                    vector(lanes, stored(ty.dtype))
                ),
            });
        }
    }
}
