//! What runs a compiled program: tensors, npy files, threads.
