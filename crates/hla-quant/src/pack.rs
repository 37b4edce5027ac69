//! Ternary values as 2-bit codes, layout version 1.
//!
//! Four codes a byte, the first in the low bits: 00 = 0, 01 = +1, 10 = −1; 11 is invalid. Values are
//! row-major; every row of the outermost dimension starts on a byte, and the bits after its last
//! code are zero. So n rows of m values take n·⌈m/4⌉ bytes, 2 bits a weight if 4 divides m.

use crate::Error;

/// Rows and values per row of a tensor of this shape; a scalar is one row of one value.
pub fn rows(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [rows, rest @ ..] => (*rows, rest.iter().product()),
    }
}

/// Bytes that `rows` rows of `row_len` values take.
pub fn packed_len(rows: usize, row_len: usize) -> usize {
    rows * row_len.div_ceil(4)
}

/// Packs row-major values of −1, 0 and 1.
///
/// ```
/// // 1 → 01, −1 → 10, 0 → 00, 1 → 01, then the next byte: −1 → 10.
/// let bytes = hla_quant::pack::pack(&[1, -1, 0, 1, -1], 1, 5)?;
/// assert_eq!(bytes, [0b01_00_10_01, 0b10]);
/// assert_eq!(hla_quant::pack::unpack(&bytes, 1, 5)?, [1, -1, 0, 1, -1]);
/// # Ok::<(), hla_quant::Error>(())
/// ```
pub fn pack(values: &[i8], rows: usize, row_len: usize) -> Result<Vec<u8>, Error> {
    let expected = rows * row_len;
    if values.len() != expected {
        return Err(Error::WrongLength {
            what: "values",
            expected,
            found: values.len(),
        });
    }
    let mut bytes = Vec::with_capacity(packed_len(rows, row_len));
    for (row, values) in values.chunks_exact(row_len.max(1)).enumerate() {
        for (group, values) in values.chunks(4).enumerate() {
            let mut byte = 0;
            for (i, &value) in values.iter().enumerate() {
                let code = match value {
                    0 => 0b00,
                    1 => 0b01,
                    -1 => 0b10,
                    other => {
                        return Err(Error::NotTernary {
                            index: row * row_len + group * 4 + i,
                            value: other.into(),
                        });
                    }
                };
                byte |= code << (2 * i);
            }
            bytes.push(byte);
        }
    }
    Ok(bytes)
}

/// Reads packed values; refuses the code 11, bits after a row's last code, and a wrong length.
pub fn unpack(bytes: &[u8], rows: usize, row_len: usize) -> Result<Vec<i8>, Error> {
    let expected = packed_len(rows, row_len);
    if bytes.len() != expected {
        return Err(Error::WrongLength {
            what: "bytes",
            expected,
            found: bytes.len(),
        });
    }
    let mut values = Vec::with_capacity(rows * row_len);
    for (row, bytes) in bytes.chunks_exact(row_len.div_ceil(4).max(1)).enumerate() {
        for i in 0..row_len {
            values.push(match (bytes[i / 4] >> (2 * (i % 4))) & 0b11 {
                0b00 => 0,
                0b01 => 1,
                0b10 => -1,
                _ => {
                    return Err(Error::InvalidCode {
                        index: row * row_len + i,
                    });
                }
            });
        }
        let used = row_len % 4;
        if used != 0 && bytes[row_len / 4] >> (2 * used) != 0 {
            return Err(Error::DirtyPadding { row });
        }
    }
    Ok(values)
}
