//! Tests of the passes that make a training of a model.

mod build;
mod decomposed;
mod equations;
mod half;
mod loss_scale;
mod mixed;
mod model;
mod numbers;
mod recognition;
mod refusals;
mod weights;
