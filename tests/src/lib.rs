//! Whole-program tests of hlac.
