//! Scalar evaluator of every op of the tensor IR: the oracle.
