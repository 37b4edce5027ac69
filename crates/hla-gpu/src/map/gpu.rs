//! The kernel of a map in the gpu dialect.

use hla_ir::DType;
use hla_ir::print::float_text;

use super::nest::Nest;
use super::shape::{Shape, access_alignment};
use super::source::{Indices, Number, Piece, Source};
use crate::body::Body;
use crate::kernel::NAME;
use crate::lower::Place;
use crate::lower::chain::Strided;
use crate::text::{Text, memref, stored, vector};

/// The text of a `gpu.func`.
pub(super) fn text(nest: &Nest, body: &Body, results: &[Place], shape: &Shape) -> String {
    let places = nest.places();
    let parameters: Vec<String> = places
        .iter()
        .chain(results)
        .enumerate()
        .map(|(i, place)| {
            format!(
                "%a{i}: {} {{llvm.noalias, llvm.align = {} : i64}}",
                memref(&place.flat().ty),
                place.alignment().min(16)
            )
        })
        .collect();
    let mut writer = Writer {
        nest,
        results,
        // Offsets and linear indices fit.
        int: match nest.elements() < 1 << 30 && places.iter().all(|p| p.ty.elements() < 1 << 30) {
            true => "i32",
            false => "i64",
        },
        text: Text::new(),
    };
    writer.write(body, shape);
    format!(
        "gpu.func {NAME}({}) kernel attributes {{known_block_size = array<i32: {}, 1, 1>}} {{\n{}  gpu.return\n}}\n",
        parameters.join(", "),
        shape.threads,
        writer.text.finish()
    )
}

struct Writer<'a> {
    nest: &'a Nest,
    results: &'a [Place],
    /// The type of index arithmetic.
    int: &'static str,
    text: Text,
}

/// Where a thread's vector is.
struct At {
    /// Number of its first element.
    linear: String,
    /// Coordinates of that element.
    coordinates: Vec<String>,
}

impl Writer<'_> {
    fn write(&mut self, body: &Body, shape: &Shape) {
        let (threads, lanes) = (shape.threads as usize, shape.lanes);
        let block = self.id("gpu.block_id x");
        let thread = self.id("gpu.thread_id x");
        let first = self.scaled(&block, (threads * shape.unroll) as i64);
        let first = self.binary("addi", &first, &thread);
        if shape.guarded {
            return self.guarded(body, &first, lanes);
        }
        // All loads stand before the arithmetic, so that they are under way together.
        let mut loaded = Vec::with_capacity(shape.unroll);
        for u in 0..shape.unroll {
            let offset = self.int((u * threads) as i64);
            let vector = match u {
                0 => first.clone(),
                _ => self.binary("addi", &first, &offset),
            };
            let at = self.at(&vector, lanes);
            let inputs = self.load_all(&at, lanes);
            loaded.push((at, inputs));
        }
        for (at, inputs) in loaded {
            let values = body.emit(&mut self.text, lanes, &inputs);
            self.store_all(&at, &values, lanes);
        }
    }

    /// One vector for each thread; the last may be short.
    fn guarded(&mut self, body: &Body, vector: &str, lanes: usize) {
        let total = self.nest.elements();
        let whole = self.int((total / lanes) as i64);
        let inside = self.compare("ult", vector, &whole);
        self.text.open(format_args!("scf.if {inside} {{"));
        let at = self.at(vector, lanes);
        let inputs = self.load_all(&at, lanes);
        let values = body.emit(&mut self.text, lanes, &inputs);
        self.store_all(&at, &values, lanes);
        self.text.close("}");
        let rest = total % lanes;
        if rest == 0 {
            return;
        }
        // The elements that make no vector: one for each of the first threads after the last.
        let end = self.int((total / lanes + rest) as i64);
        let below = self.compare("ult", vector, &end);
        let outside = self.compare("uge", vector, &whole);
        let is_rest = self
            .text
            .op(format_args!("arith.andi {below}, {outside} : i1"));
        self.text.open(format_args!("scf.if {is_rest} {{"));
        let skipped = self.int((total / lanes) as i64 * (lanes as i64 - 1));
        let element = self.binary("addi", vector, &skipped);
        let at = self.at(&element, 1);
        let inputs = self.load_all(&at, 1);
        let values = body.emit(&mut self.text, 1, &inputs);
        self.store_all(&at, &values, 1);
        self.text.close("}");
    }

    /// From the number of a vector to its first element.
    fn at(&mut self, vector: &str, lanes: usize) -> At {
        let linear = self.scaled(vector, lanes as i64);
        let inner = self.nest.extents.len() - 1;
        if inner == 0 {
            return At {
                coordinates: vec![linear.clone()],
                linear,
            };
        }
        let mut coordinates = vec![String::new(); inner + 1];
        let mut rest = vector.to_owned();
        for d in (0..=inner).rev() {
            let extent = match d == inner {
                true => self.nest.extents[d] / lanes,
                false => self.nest.extents[d],
            };
            coordinates[d] = match d {
                0 => rest.clone(),
                _ => {
                    let extent = self.int(extent as i64);
                    let coordinate = self.binary("remui", &rest, &extent);
                    rest = self.binary("divui", &rest, &extent);
                    coordinate
                }
            };
        }
        coordinates[inner] = self.scaled(&coordinates[inner].clone(), lanes as i64);
        At {
            linear,
            coordinates,
        }
    }

    fn load_all(&mut self, at: &At, lanes: usize) -> Vec<String> {
        let nest = self.nest;
        let mut argument = 0;
        let mut loaded = Vec::with_capacity(nest.sources.len());
        for source in &nest.sources {
            loaded.push(self.source(source, &source.pieces, argument, at, lanes));
            argument += source.arguments();
        }
        loaded
    }

    /// The first of the pieces that has the element, or else the source's number.
    fn source(
        &mut self,
        source: &Source,
        pieces: &[Piece],
        argument: usize,
        at: &At,
        lanes: usize,
    ) -> String {
        let element = stored(source.dtype());
        let Some((piece, others)) = pieces.split_first() else {
            return self.number(source, lanes);
        };
        // The last piece has what no other has, unless there is a number for that.
        let sure = piece.bounds.is_empty() || (others.is_empty() && source.otherwise.is_none());
        if sure {
            return self.piece(piece, argument, at, lanes);
        }
        let mut condition: Option<String> = None;
        for bound in &piece.bounds {
            let coordinate = at.coordinates[bound.dim].clone();
            // One unsigned comparison: the coordinate less the low bound is below the extent.
            let shifted = self.offset(&coordinate, -(bound.low as i64));
            let extent = self.int((bound.high - bound.low) as i64);
            let inside = self.compare("ult", &shifted, &extent);
            condition = Some(match condition {
                None => inside,
                Some(c) => self.text.op(format_args!("arith.andi {c}, {inside} : i1")),
            });
        }
        let ty = vector(lanes, element);
        let result = self.text.fresh();
        let condition = condition.unwrap_or_default();
        self.text
            .open(format_args!("{result} = scf.if {condition} -> ({ty}) {{"));
        let read = self.piece(piece, argument, at, lanes);
        self.text.line(format_args!("scf.yield {read} : {ty}"));
        self.text.close("} else {");
        self.text.open_again();
        let other = self.source(source, others, argument + piece.arguments(), at, lanes);
        self.text.line(format_args!("scf.yield {other} : {ty}"));
        self.text.close("}");
        result
    }

    /// What stands where there is no piece.
    fn number(&mut self, source: &Source, lanes: usize) -> String {
        let element = stored(source.dtype());
        let text = number_text(source);
        match lanes {
            1 => self.text.constant(format_args!("{text} : {element}")),
            _ => self
                .text
                .constant(format_args!("dense<{text}> : {}", vector(lanes, element))),
        }
    }

    fn piece(&mut self, piece: &Piece, argument: usize, at: &At, lanes: usize) -> String {
        let from = &piece.from;
        let inner = from.strides.len() - 1;
        let mut offset = self.place(at, from);
        if let Some(indices) = &piece.indices {
            let row = self.row(at, indices, argument + 1);
            let start = self.scaled(&row, indices.stride);
            offset = self.binary("addi", &offset, &start);
        }
        let ty = memref(&from.place.flat().ty);
        let element = stored(from.place.ty.dtype);
        let load = |text: &mut Text, index: &str| {
            text.op(format_args!("memref.load %a{argument}[{index}] : {ty}"))
        };
        if lanes == 1 {
            let index = self.index(&offset);
            return load(&mut self.text, &index);
        }
        let vector = vector(lanes, element);
        match from.strides[inner] {
            0 => {
                let index = self.index(&offset);
                let scalar = load(&mut self.text, &index);
                self.text.op(format_args!(
                    "vector.broadcast {scalar} : {element} to {vector}"
                ))
            }
            1 => {
                let index = self.index(&offset);
                self.text.op(format_args!(
                    "vector.load %a{argument}[{index}] {{alignment = {} : i64}} : {ty}, {vector}",
                    access_alignment(&from.place, lanes)
                ))
            }
            stride => {
                let elements: Vec<String> = (0..lanes)
                    .map(|lane| {
                        let offset = self.offset(&offset, stride * lane as i64);
                        let index = self.index(&offset);
                        load(&mut self.text, &index)
                    })
                    .collect();
                self.text.op(format_args!(
                    "vector.from_elements {} : {vector}",
                    elements.join(", ")
                ))
            }
        }
    }

    /// The offset of an element.
    fn place(&mut self, at: &At, from: &Strided) -> String {
        match from.start == 0 && from.strides == self.nest.dense() {
            true => at.linear.clone(),
            false => self.dot(&at.coordinates, &from.strides, from.start),
        }
    }

    /// The row that an index names, or the nearest.
    fn row(&mut self, at: &At, indices: &Indices, argument: usize) -> String {
        let offset = self.place(at, &indices.from);
        let index = self.index(&offset);
        let ty = memref(&indices.from.place.flat().ty);
        let int = self.int;
        let row = self
            .text
            .op(format_args!("memref.load %a{argument}[{index}] : {ty}"));
        let row = match int {
            "i32" => row,
            _ => self
                .text
                .op(format_args!("arith.extsi {row} : i32 to {int}")),
        };
        let (first, last) = (self.int(0), self.int(indices.rows as i64 - 1));
        let row = self.binary("maxsi", &row, &first);
        self.binary("minsi", &row, &last)
    }

    fn store_all(&mut self, at: &At, values: &[String], lanes: usize) {
        let first = self.nest.places().len();
        let index = self.index(&at.linear);
        let results = self.results;
        for ((value, place), argument) in values.iter().zip(results).zip(first..) {
            let ty = memref(&place.flat().ty);
            let element = stored(place.ty.dtype);
            match lanes {
                1 => self.text.line(format_args!(
                    "memref.store {value}, %a{argument}[{index}] : {ty}"
                )),
                _ => self.text.line(format_args!(
                    "vector.store {value}, %a{argument}[{index}] {{alignment = {} : i64}} : {ty}, {}",
                    access_alignment(place, lanes),
                    vector(lanes, element)
                )),
            }
        }
    }

    /// start + Σ strides\[d\]·coordinates\[d\].
    fn dot(&mut self, coordinates: &[String], strides: &[i64], start: i64) -> String {
        let mut sum: Option<String> = None;
        for (coordinate, &stride) in coordinates.iter().zip(strides) {
            if stride == 0 {
                continue;
            }
            let term = self.scaled(coordinate, stride);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.binary("addi", &sum, &term),
            });
        }
        match sum {
            None => self.int(start),
            Some(sum) => self.offset(&sum, start),
        }
    }

    fn id(&mut self, op: &str) -> String {
        let id = self.text.op(op);
        let int = self.int;
        self.text
            .op(format_args!("arith.index_castui {id} : index to {int}"))
    }

    fn index(&mut self, value: &str) -> String {
        let int = self.int;
        self.text
            .op(format_args!("arith.index_castui {value} : {int} to index"))
    }

    fn int(&mut self, value: i64) -> String {
        let int = self.int;
        self.text.constant(format_args!("{value} : {int}"))
    }

    fn binary(&mut self, op: &str, a: &str, b: &str) -> String {
        let int = self.int;
        self.text.op(format_args!("arith.{op} {a}, {b} : {int}"))
    }

    fn compare(&mut self, predicate: &str, a: &str, b: &str) -> String {
        let int = self.int;
        self.text
            .op(format_args!("arith.cmpi {predicate}, {a}, {b} : {int}"))
    }

    fn scaled(&mut self, value: &str, by: i64) -> String {
        match by {
            1 => value.to_owned(),
            _ => {
                let by = self.int(by);
                self.binary("muli", value, &by)
            }
        }
    }

    fn offset(&mut self, value: &str, by: i64) -> String {
        match by {
            0 => value.to_owned(),
            _ => {
                let by = self.int(by);
                self.binary("addi", value, &by)
            }
        }
    }
}

/// The literal of a source's number.
pub(super) fn number_text(source: &Source) -> String {
    match source.otherwise {
        Some(Number::Float(v)) => float_text(v, source.dtype()),
        Some(Number::Int(v)) => v.to_string(),
        None if source.dtype().is_float() => float_text(0.0, DType::F32),
        None => "0".to_owned(),
    }
}
