//! Matrix products over views as linalg on memrefs: windows become indexing maps over padded
//! copies.

use hla_ir::types::row_major_strides;
use hla_ir::{DType, TensorType};

use super::epilogue::Epilogue;
use super::gemm::Gemm;
use super::memory::{widened, zero};
use super::view::{Operand, View, Windows};
use crate::Text;
use crate::kernel::NAME;
use crate::text::{memref, stored};

/// The dimensions of the loop nest, outermost first: part (a batch or a part of the sum), those of
/// m, of n, and of k.
struct Nest {
    parts: usize,
    m: Vec<usize>,
    n: Vec<usize>,
    k: Vec<usize>,
    /// Windows with gaps: the nest walks over taps backwards.
    backwards: bool,
}

/// A memref and how the nest walks over it.
pub(super) struct Access {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) map: String,
}

/// The text.
pub(super) fn text(gemm: &Gemm) -> String {
    let t = &mut Text::new();
    let types = gemm.argument_types();
    open(t, &types);
    let nest = Nest::new(gemm);
    let acc = gemm.accumulator();
    let [a, b] = [0, 1].map(|i| nest.access(gemm, t, i));
    let sums = allocate(t, &nest.result(), acc);
    let of = |i: usize| match gemm.operands()[i].view {
        View::Codes { .. } => DType::I8,
        _ => gemm.types[i].dtype,
    };
    let sum = Sum {
        dims: nest.count(),
        summed: nest.k.len(),
        types: [of(0), of(1)],
        zero_points: gemm.zero_points,
        sum: acc,
    };
    sum.emit(t, [&a, &b], (&sums, &nest.result_map()));
    let finish = Finish {
        shape: [gemm.batch * gemm.splits, gemm.m, gemm.n],
        sum: acc,
        epilogue: &gemm.epilogue,
        out: &gemm.out,
        arguments: types.len(),
    };
    finish.emit(t, &sums);
    t.line("return");
    t.close("}");
    std::mem::take(t).finish()
}

/// A generic that sums products.
pub(super) struct Sum {
    /// Dimensions of the nest, and how many of them, the last, are summed over.
    pub(super) dims: usize,
    pub(super) summed: usize,
    /// Element types of the operands.
    pub(super) types: [DType; 2],
    pub(super) zero_points: [i64; 2],
    /// The type of the sums.
    pub(super) sum: DType,
}

impl Sum {
    /// The text: the sums, made in a buffer and written by a map.
    pub(super) fn emit(
        &self,
        t: &mut Text,
        operands: [&Access; 2],
        (sums, map): (&(String, String), &str),
    ) {
        let acc = self.sum;
        let none = zero(t, acc);
        t.line(format_args!(
            "linalg.fill ins({none} : {acc}) outs({} : {})",
            sums.0, sums.1
        ));
        let dims: Vec<_> = (0..self.dims).map(|d| format!("d{d}")).collect();
        let dims = dims.join(", ");
        let [a, b] = operands;
        let maps = [&a.map, &b.map, map].map(|to| format!("affine_map<({dims}) -> ({to})>"));
        let mut iterators = vec!["\"parallel\""; self.dims - self.summed];
        iterators.resize(self.dims, "\"reduction\"");
        t.open(format_args!(
            "linalg.generic {{indexing_maps = [{}], iterator_types = [{}]}} ins({}, {} : {}, {}) outs({} : {}) {{",
            maps.join(", "),
            iterators.join(", "),
            a.name,
            b.name,
            a.ty,
            b.ty,
            sums.0,
            sums.1
        ));
        let [x, y] = self.types.map(stored);
        t.line(format_args!("^bb0(%a: {x}, %b: {y}, %sum: {acc}):"));
        let [x, y] = [("%a", 0), ("%b", 1)].map(|(name, i)| {
            let wide = widened(t, name, self.types[i], acc, 1);
            match self.zero_points[i] {
                0 => wide,
                point => {
                    let point = t.constant(format_args!("{point} : {acc}"));
                    t.op(format_args!("arith.subi {wide}, {point} : {acc}"))
                }
            }
        });
        let sum = if acc.is_float() {
            t.op(format_args!("math.fma {x}, {y}, %sum : {acc}"))
        } else {
            let product = t.op(format_args!("arith.muli {x}, {y} : {acc}"));
            t.op(format_args!("arith.addi %sum, {product} : {acc}"))
        };
        t.line(format_args!("linalg.yield {sum} : {acc}"));
        t.close("}");
    }
}

/// Opens the function.
pub(super) fn open(t: &mut Text, types: &[&TensorType]) {
    let arguments: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| format!("%arg{i}: {}", memref(ty)))
        .collect();
    t.open(format_args!(
        "func.func {NAME}({}) {{",
        arguments.join(", ")
    ));
}

/// A buffer: its name and type.
pub(super) fn allocate(t: &mut Text, shape: &[usize], dtype: DType) -> (String, String) {
    let ty = memref(&TensorType {
        shape: shape.to_vec(),
        dtype,
    });
    (t.op(format_args!("memref.alloc() : {ty}")), ty)
}

/// The same elements in another order of dimensions: strides and the first element.
fn strided(
    t: &mut Text,
    (name, from): (&str, &str),
    dtype: DType,
    sizes: &[usize],
    strides: &[i64],
    start: usize,
) -> (String, String) {
    let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
    let strides: Vec<_> = strides.iter().map(i64::to_string).collect();
    let strides = strides.join(", ");
    let ty = format!(
        "memref<{}x{}, strided<[{strides}], offset: {start}>>",
        sizes.join("x"),
        stored(dtype)
    );
    let name = t.op(format_args!(
        "memref.reinterpret_cast {name} to offset: [{start}], sizes: [{}], strides: [{strides}] : {from} to {ty}",
        sizes.join(", ")
    ));
    (name, ty)
}

/// The same elements, row-major in another shape.
pub(super) fn reshaped(
    t: &mut Text,
    memory: (&str, &str),
    dtype: DType,
    shape: &[usize],
) -> (String, String) {
    reversed(t, memory, dtype, shape, &[])
}

/// The same elements, row-major in another shape, some of whose axes go backwards.
pub(super) fn reversed(
    t: &mut Text,
    memory: (&str, &str),
    dtype: DType,
    shape: &[usize],
    backwards: &[usize],
) -> (String, String) {
    let strides = row_major_strides(shape);
    let mut signed: Vec<i64> = strides.iter().map(|&s| s as i64).collect();
    let mut start = 0;
    for &axis in backwards {
        signed[axis] = -signed[axis];
        start += (shape[axis] - 1) * strides[axis];
    }
    strided(t, memory, dtype, shape, &signed, start)
}

/// What stands after the sums: their epilogue as a generic over (part, m, n).
pub(super) struct Finish<'a> {
    /// Extents of the result.
    pub(super) shape: [usize; 3],
    /// The type of the sums.
    pub(super) sum: DType,
    pub(super) epilogue: &'a Epilogue,
    /// The type of the argument that is written, the last one.
    pub(super) out: &'a TensorType,
    /// How many arguments there are.
    pub(super) arguments: usize,
}

impl Finish<'_> {
    /// The text, from the buffer of the sums.
    pub(super) fn emit(&self, t: &mut Text, sums: &(String, String)) {
        let (name, ty) = reshaped(t, (&sums.0, &sums.1), self.sum, &self.shape);
        let mut names = vec![name];
        let mut types = vec![ty];
        let mut parameters = vec![format!("%sum: {}", self.sum)];
        let first = self.arguments - 1 - self.epilogue.extras.len();
        let mut extras = Vec::new();
        for (i, extra) in self.epilogue.extras.iter().enumerate() {
            let argument = format!("%arg{}", first + i);
            let element = extra.ty.dtype;
            let from = memref(&extra.ty);
            let strides = extra.strides.map(|stride| stride as i64);
            let memory = (argument.as_str(), from.as_str());
            let (name, ty) = strided(t, memory, element, &self.shape, &strides, extra.start);
            names.push(name);
            types.push(ty);
            parameters.push(format!("%x{i}: {}", stored(element)));
            extras.push(format!("%x{i}"));
        }
        let out = format!("%arg{}", self.arguments - 1);
        let (out, out_ty) = reshaped(t, (&out, &memref(self.out)), self.out.dtype, &self.shape);
        let element = stored(self.out.dtype);
        let map = "affine_map<(d0, d1, d2) -> (d0, d1, d2)>";
        t.open(format_args!(
            "linalg.generic {{indexing_maps = [{}], iterator_types = [\"parallel\", \"parallel\", \"parallel\"]}} ins({} : {}) outs({out} : {out_ty}) {{",
            vec![map; names.len() + 1].join(", "),
            names.join(", "),
            types.join(", ")
        ));
        t.line(format_args!(
            "^bb0({}, %out: {element}):",
            parameters.join(", ")
        ));
        let value = self.epilogue.apply(t, "%sum", self.sum, &extras, 1);
        t.line(format_args!("linalg.yield {value} : {element}"));
        t.close("}");
    }
}

impl Windows {
    /// The extent of a padded copy along an axis, elements between neighbours in it, and where the
    /// first element would be.
    pub(super) fn padded(&self, axis: usize) -> (usize, usize, i64) {
        let taps = (self.kernel[axis] - 1) * self.dilation[axis];
        match self.gaps {
            false => (
                (self.count[axis] - 1) * self.stride[axis] + taps + 1,
                1,
                self.pad[axis],
            ),
            true => (
                self.count[axis] + taps,
                self.stride[axis],
                taps as i64 - self.pad[axis],
            ),
        }
    }

    /// The shape of such a copy in parts of so many images.
    pub(super) fn parts(&self, parts: usize, images: usize) -> [usize; 5] {
        let [y, x] = [0, 1].map(|axis| self.padded(axis).0);
        [parts, images, y, x, self.image[3]]
    }

    /// A copy with what surrounds and separates the elements, of at least `images` images.
    pub(super) fn copy(
        &self,
        t: &mut Text,
        (source, ty): (&str, &TensorType),
        images: usize,
        fill: i64,
    ) -> (String, String) {
        let [n, _, _, channels] = self.image;
        let axes = [0, 1].map(|axis| self.padded(axis));
        let shape = [images.max(n), axes[0].0, axes[1].0, channels];
        let (buffer, buffer_ty) = allocate(t, &shape, ty.dtype);
        let fill = match ty.dtype.is_float() {
            true => zero(t, ty.dtype),
            false => t.constant(format_args!("{fill} : {}", ty.dtype)),
        };
        t.line(format_args!(
            "linalg.fill ins({fill} : {}) outs({buffer} : {buffer_ty})",
            ty.dtype
        ));
        // Elements first..end along each axis have a place in the copy.
        let [y, x] = [0, 1].map(|axis| {
            let (extent, step, start) = axes[axis];
            let first = ((-start).max(0) + step as i64 - 1) / step as i64;
            let last = (extent as i64 - 1 - start).div_euclid(step as i64);
            let end = (last + 1).min(self.image[1 + axis] as i64);
            (first, end - first, start + first * step as i64, step as i64)
        });
        if y.1 > 0 && x.1 > 0 {
            let source_ty = memref(ty);
            let part = |t: &mut Text,
                        name: &str,
                        of: &str,
                        offset: [i64; 2],
                        step: [i64; 2],
                        strides: &[usize]| {
                let start = offset[0] * strides[1] as i64 + offset[1] * strides[2] as i64;
                let steps = [
                    strides[0] as i64,
                    strides[1] as i64 * step[0],
                    strides[2] as i64 * step[1],
                    1,
                ];
                let result = format!(
                    "memref<{n}x{}x{}x{channels}x{}, strided<[{}, {}, {}, 1], offset: {start}>>",
                    y.1,
                    x.1,
                    stored(ty.dtype),
                    steps[0],
                    steps[1],
                    steps[2]
                );
                let name = t.op(format_args!(
                    "memref.subview {name}[0, {}, {}, 0] [{n}, {}, {}, {channels}] [1, {}, {}, 1] : {of} to {result}",
                    offset[0], offset[1], y.1, x.1, step[0], step[1]
                ));
                (name, result)
            };
            let from_strides = row_major_strides(&self.image);
            let to_strides = row_major_strides(&shape);
            let (from, from_ty) = part(t, source, &source_ty, [y.0, x.0], [1, 1], &from_strides);
            let (to, to_ty) = part(t, &buffer, &buffer_ty, [y.2, x.2], [y.3, x.3], &to_strides);
            t.line(format_args!(
                "linalg.copy ins({from} : {from_ty}) outs({to} : {to_ty})"
            ));
        }
        (buffer, buffer_ty)
    }
}

impl Nest {
    fn new(gemm: &Gemm) -> Nest {
        let mut nest = Nest {
            parts: gemm.batch * gemm.splits,
            m: vec![gemm.m],
            n: vec![gemm.n],
            k: vec![gemm.per_split],
            backwards: false,
        };
        for (i, operand) in gemm.operands().into_iter().enumerate() {
            let View::Windows(windows) = &operand.view else {
                continue;
            };
            let [n, .., channels] = windows.image;
            let [y, x] = windows.count;
            let pixels = vec![n.div_ceil(gemm.splits), y, x];
            let taps = vec![windows.kernel[0], windows.kernel[1], channels];
            let (summed, other) = match operand.sums_fast {
                true => (taps, pixels),
                false => (pixels, taps),
            };
            nest.k = summed;
            *[&mut nest.m, &mut nest.n][i] = other;
            nest.backwards |= windows.gaps;
        }
        nest
    }

    fn count(&self) -> usize {
        1 + self.m.len() + self.n.len() + self.k.len()
    }

    /// The shape of the result.
    fn result(&self) -> Vec<usize> {
        [&[self.parts][..], &self.m, &self.n].concat()
    }

    fn result_map(&self) -> String {
        let dims: Vec<_> = (0..self.count() - self.k.len())
            .map(|d| format!("d{d}"))
            .collect();
        dims.join(", ")
    }

    /// Dimensions of m (0), n (1) or k (2).
    fn names(&self, which: usize) -> Vec<String> {
        let first = 1 + [0, self.m.len(), self.m.len() + self.n.len()][which];
        let extents = [&self.m, &self.n, &self.k][which];
        (0..extents.len())
            .map(|i| format!("d{}", first + i))
            .collect()
    }

    /// Which of an operand's axes go backwards, if those of k begin at one of them.
    fn backwards(&self, first: usize) -> Vec<usize> {
        match self.backwards {
            true => vec![first, first + 1],
            false => Vec::new(),
        }
    }

    /// Operand i.
    fn access(&self, gemm: &Gemm, t: &mut Text, i: usize) -> Access {
        let operand: &Operand = gemm.operands()[i];
        let ty = &gemm.types[i];
        let argument = format!("%arg{i}");
        let other = self.names(i);
        match &operand.view {
            View::Windows(windows) => {
                let images = if gemm.splits > 1 {
                    gemm.splits * self.k[0]
                } else {
                    0
                };
                let dtype = ty.dtype;
                let copy = windows.copy(t, (&argument, ty), images, gemm.zero_points[i]);
                let (pixels, taps) = match operand.sums_fast {
                    true => (other, self.names(2)),
                    false => (self.names(2), other),
                };
                let (image, (name, ty)) = match gemm.splits {
                    1 => (pixels[0].clone(), copy),
                    parts => {
                        let shape = windows.parts(parts, self.k[0]);
                        let copy = reshaped(t, (&copy.0, &copy.1), dtype, &shape);
                        (format!("d0, {}", pixels[0]), copy)
                    }
                };
                let stride = if windows.gaps { [1, 1] } else { windows.stride };
                let along = |axis: usize| {
                    format!(
                        "{} * {} + {} * {}",
                        pixels[1 + axis],
                        stride[axis],
                        taps[axis],
                        windows.dilation[axis]
                    )
                };
                let map = format!("{image}, {}, {}, {}", along(0), along(1), taps[2]);
                Access { name, ty, map }
            }
            View::Filters {
                outputs, inputs, ..
            } => {
                let shape = [*outputs, self.k[0], self.k[1], *inputs];
                let memory = (argument.as_str(), &*memref(ty));
                let (name, ty) = reversed(t, memory, ty.dtype, &shape, &self.backwards(1));
                let taps = self.names(2);
                let map = format!("{}, {}, {}, {}", taps[2], taps[0], taps[1], other[0]);
                Access { name, ty, map }
            }
            View::Codes { rows, columns } => {
                let (name, from) = unpacked(t, &argument, ty, *rows, *columns);
                let shape = [&[*rows][..], &self.k].concat();
                let memory = (name.as_str(), from.as_str());
                let (name, ty) = reversed(t, memory, DType::I8, &shape, &self.backwards(1));
                let map = [other, self.names(2)].concat().join(", ");
                Access { name, ty, map }
            }
            View::Rows { .. } => self.rows(gemm, t, i, other),
        }
    }

    fn rows(&self, gemm: &Gemm, t: &mut Text, i: usize, other: Vec<String>) -> Access {
        let operand = gemm.operands()[i];
        let ty = &gemm.types[i];
        let (mut name, mut from) = (format!("%arg{i}"), memref(ty));
        let outer: Vec<usize> = [&self.m, &self.n][i].clone();
        let mut dims = Vec::new();
        let mut shape = Vec::new();
        let mut backwards = Vec::new();
        if gemm.batch > 1 {
            dims.push("d0".to_owned());
            shape.push(gemm.batch);
        }
        if operand.sums_fast {
            dims.extend(other);
            dims.extend(self.names(2));
            shape.extend(outer);
            backwards = self.backwards(shape.len());
            shape.extend(&self.k);
        } else {
            let mut k = self.names(2);
            let mut extents = self.k.clone();
            if gemm.splits > 1 {
                let per_image = self.k[1..].iter().product::<usize>();
                let images = [gemm.k / per_image, gemm.splits * self.k[0]];
                (name, from) =
                    with_images(t, (&name, &from), ty.dtype, images, per_image * outer[0]);
                k.insert(0, "d0".to_owned());
                extents.insert(0, gemm.splits);
            }
            dims.extend(k);
            dims.extend(other);
            shape.extend(extents);
            shape.extend(outer);
        }
        let (name, ty) = reversed(t, (&name, &from), ty.dtype, &shape, &backwards);
        Access {
            name,
            ty,
            map: dims.join(", "),
        }
    }
}

/// A tensor of images with zero images after them, so that their number is what parts need.
pub(super) fn with_images(
    t: &mut Text,
    (name, from): (&str, &str),
    dtype: DType,
    [images, wanted]: [usize; 2],
    per_image: usize,
) -> (String, String) {
    if images == wanted {
        return (name.to_owned(), from.to_owned());
    }
    let (buffer, buffer_ty) = allocate(t, &[wanted, per_image], dtype);
    let none = zero(t, dtype);
    t.line(format_args!(
        "linalg.fill ins({none} : {dtype}) outs({buffer} : {buffer_ty})"
    ));
    let shape = [images, per_image];
    let (source, source_ty) = reshaped(t, (name, from), dtype, &shape);
    let (target, target_ty) = reshaped(t, (&buffer, &buffer_ty), dtype, &shape);
    t.line(format_args!(
        "linalg.copy ins({source} : {source_ty}) outs({target} : {target_ty})"
    ));
    (buffer, buffer_ty)
}

/// Ternary weights as one byte each.
fn unpacked(
    t: &mut Text,
    codes: &str,
    ty: &TensorType,
    rows: usize,
    columns: usize,
) -> (String, String) {
    let (buffer, buffer_ty) = allocate(t, &[rows, columns], DType::I8);
    let row = columns.div_ceil(4);
    t.open(format_args!(
        "linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iterator_types = [\"parallel\", \"parallel\"]}} outs({buffer} : {buffer_ty}) {{"
    ));
    t.line("^bb0(%old: i8):");
    let i = t.op("linalg.index 0 : index");
    let j = t.op("linalg.index 1 : index");
    let (row, four) = (t.index(row as u64), t.index(4));
    let start = t.op(format_args!("arith.muli {i}, {row} : index"));
    let byte = t.op(format_args!("arith.divui {j}, {four} : index"));
    let byte = t.op(format_args!("arith.addi {start}, {byte} : index"));
    let byte = t.op(format_args!("memref.load {codes}[{byte}] : {}", memref(ty)));
    let position = t.op(format_args!("arith.remui {j}, {four} : index"));
    let position = t.op(format_args!("arith.index_cast {position} : index to i8"));
    let (one, two) = (t.constant("1 : i8"), t.constant("2 : i8"));
    let shift = t.op(format_args!("arith.muli {position}, {two} : i8"));
    let code = t.op(format_args!("arith.shrui {byte}, {shift} : i8"));
    let plus = t.op(format_args!("arith.andi {code}, {one} : i8"));
    let high = t.op(format_args!("arith.shrui {code}, {one} : i8"));
    let minus = t.op(format_args!("arith.andi {high}, {one} : i8"));
    let weight = t.op(format_args!("arith.subi {plus}, {minus} : i8"));
    t.line(format_args!("linalg.yield {weight} : i8"));
    t.close("}");
    (buffer, buffer_ty)
}
