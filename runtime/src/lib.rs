//! What runs a compiled program: values in files, memory, threads. It links neither MLIR nor
//! Cranelift, so whoever only runs programs needs nothing else.
//!
//! - [`mapped`] files, which are read without being copied;
//! - [`npy`] reads and writes tensors as `.npy` files;
//! - [`executable`] is what every backend's program looks like from outside;
//! - [`step`] is the same for programs that update a [`state`] in place, as training does;
//! - [`buffer`] is memory aligned as compiled code wants it;
//! - [`plan`] is a program for a device with its own memory, [`device`] what runs it;
//! - [`program`] is such a program in a file;
//! - [`pool`] is the thread pool behind the C interface's `parallel_for`.

pub mod buffer;
pub mod device;
pub mod executable;
pub mod mapped;
pub mod npy;
pub mod plan;
pub mod pool;
pub mod program;
pub mod state;
pub mod step;

pub use buffer::Buffer;
pub use device::{DeviceSession, DeviceStep};
pub use executable::{Executable, Signature, Slot};
pub use mapped::Mapped;
pub use pool::{CParallel, ThreadPool};
pub use state::State;
pub use step::{Begun, Rebind, StepProgram};
