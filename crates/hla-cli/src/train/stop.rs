//! Ctrl-C and termination: training stops between two steps, and the checkpoint stays as it is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hla_ir::{Diagnostic, Location};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that the first signal sets; the second ends the process at once, as is usual.
pub fn on_signals() -> Result<Arc<AtomicBool>, Diagnostic> {
    let stop = Arc::new(AtomicBool::new(false));
    for (signal, status) in [(SIGINT, 130), (SIGTERM, 143)] {
        // In this order: the shutdown looks at the flag before the same signal sets it.
        flag::register_conditional_shutdown(signal, status, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(|e| {
                Diagnostic::error(
                    Location::unknown(),
                    format!("signals cannot be caught: {e}"),
                )
            })?;
    }
    Ok(stop)
}
