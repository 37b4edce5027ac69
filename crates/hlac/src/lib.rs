//! A compiler from neural networks to multiply-free ternary code.
