//! The arithmetic of ternary quantization on arrays: thresholds, quantizers, packing.
