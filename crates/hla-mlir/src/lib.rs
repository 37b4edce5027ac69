//! The MLIR door of hlac: parse, print, the hla dialect, weights.
