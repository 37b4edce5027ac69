//! Symmetric 8-bit quantization of activations: x ≈ q·scale with q from −127 to 127.

/// The scale for values from −range to range: range/127, held where it and its reciprocal are normal
/// numbers; 1 for a range of 0.
pub fn scale(range: f32) -> f32 {
    // 2¹²⁶ is the largest power of two whose reciprocal is normal.
    const LARGEST: f32 = 8.507_059e37;
    if range == 0.0 {
        1.0
    } else {
        (range.abs() / 127.0).clamp(f32::MIN_POSITIVE, LARGEST)
    }
}

/// q = saturate(round_even(x·(1/scale)), ±127), with 1/scale rounded to f32; NaN becomes 0.
pub fn quantize(x: f32, scale: f32) -> i8 {
    // `as` saturates and turns NaN into 0.
    ((x * (1.0 / scale)).round_ties_even().clamp(-127.0, 127.0)) as i8
}

/// q·scale.
pub fn dequantize(q: i8, scale: f32) -> f32 {
    f32::from(q) * scale
}
