//! The zeros around the planes of a planar value.

use cranelift_codegen::ir::Value;
use hla_ir::DType;

use super::KernelBuilder;

/// Writes the halo of one plane that begins at an address; `storage` is [N, C, rows, columns] with
/// the halo (top, bottom, left, right) included.
pub fn zero_halo(
    k: &mut KernelBuilder<'_>,
    plane: Value,
    storage: &[usize],
    halo: [u8; 4],
    element: DType,
) {
    let [top, bottom, left, right] = halo.map(i64::from);
    let bytes = element.bytes() as i64;
    let (rows, row) = (storage[2] as i64, storage[3] as i64 * bytes);
    if top > 0 {
        k.zero_fill(plane, top * row);
    }
    // The right edge of a row and the left edge of the next are one run.
    let edge = (left + right) * bytes;
    if edge > 0 {
        let inner = rows - top - bottom;
        if left > 0 {
            let first = k.offset(plane, top * row);
            k.zero_fill(first, left * bytes);
        }
        let edges = k.offset(plane, (top + 1) * row - right * bytes);
        k.repeat(inner - 1, 1, |k, i| {
            let at = k.index(edges, i, row);
            k.zero_fill(at, edge);
        });
        if right > 0 {
            let last = k.offset(plane, (top + inner) * row - right * bytes);
            k.zero_fill(last, right * bytes);
        }
    }
    if bottom > 0 {
        let at = k.offset(plane, (rows - bottom) * row);
        k.zero_fill(at, bottom * row);
    }
}
