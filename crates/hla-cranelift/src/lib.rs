//! Code generation for x86-64 and aarch64 through Cranelift.
