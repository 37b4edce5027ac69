//! A trial run in a child process: MLIR's reader of bytecode trusts its input, and a damaged file
//! can make it crash. The child reads first; only if it comes out alive does this process read.
//!
//! # Contract
//! - The child is a fork, so it sees the same memory at the same addresses, and what it does on
//!   given bytes is what this process would do. It runs one closure and leaves by `_exit`: no
//!   destructor or exit handler of the parent runs twice.
//! - Only the calling thread exists in the child, and a lock that another thread held stays held.
//!   MLIR's are free, because every other use of it holds [`in_use`], and the fork waits for them;
//!   malloc's are freed by glibc. [`SECONDS`] ends a child that waits for any other.
//! - The child writes to nothing that the parent shares: its standard streams lead nowhere.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// After this long the child is taken for stuck.
const SECONDS: u32 = 300;

/// Held by whoever uses MLIR.
static IN_USE: RwLock<()> = RwLock::new(());

/// To be held while MLIR is used; not by the closure of a [`trial`], nor around one.
pub(crate) fn in_use() -> RwLockReadGuard<'static, ()> {
    IN_USE.read().unwrap_or_else(PoisonError::into_inner)
}

/// How a trial ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    /// The closure returned.
    Passed,
    /// It crashed, was killed, or ran for too long.
    Crashed,
}

/// What a trial may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Seconds of processor time.
    pub(crate) cpu_seconds: u64,
    /// Bytes of memory beyond those that this process has.
    pub(crate) memory: u64,
}

/// Runs a closure in a child process. Where no process can be had, the trial counts as passed.
pub(crate) fn trial(limits: Limits, run: impl FnOnce()) -> Trial {
    let memory = writable_memory().map(|bytes| bytes.saturating_add(limits.memory));
    // SAFETY: see the contract; all calls are to libc with sound arguments.
    unsafe {
        let alone = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
        let child = libc::fork();
        if child < 0 {
            return Trial::Passed;
        }
        if child == 0 {
            let limit = |what, most| {
                let both = libc::rlimit {
                    rlim_cur: most,
                    rlim_max: most,
                };
                libc::setrlimit(what, &both);
            };
            limit(libc::RLIMIT_CORE, 0);
            limit(libc::RLIMIT_CPU, limits.cpu_seconds);
            if let Some(memory) = memory {
                limit(libc::RLIMIT_DATA, memory);
            }
            libc::alarm(SECONDS);
            let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            for stream in 0..3 {
                libc::dup2(nowhere, stream);
            }
            let returned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            libc::_exit(i32::from(returned.is_err()));
        }
        drop(alone);
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) < 0 {
            if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
                // Somebody else has waited for it: nothing is known.
                return Trial::Passed;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        match libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            true => Trial::Passed,
            false => Trial::Crashed,
        }
    }
}

/// Bytes of private writable memory that this process has mapped; see proc(5).
fn writable_memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(5)?.parse().ok()?;
    // SAFETY: it takes a constant and gives a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(run: impl FnOnce()) -> Trial {
        let limits = Limits {
            cpu_seconds: 1,
            memory: 64 << 20,
        };
        super::trial(limits, run)
    }

    #[test]
    fn crashes_stay_in_the_child() {
        assert_eq!(trial(|| ()), Trial::Passed);
        assert_eq!(trial(|| std::process::abort()), Trial::Crashed);
        assert_eq!(trial(|| std::process::exit(3)), Trial::Crashed);
        // SAFETY: this is what must not happen, in the child.
        let write = || unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
        assert_eq!(trial(write), Trial::Crashed);
        let fill = |size: usize| move || drop(std::hint::black_box(vec![1_u8; size]));
        assert_eq!(trial(fill(8 << 20)), Trial::Passed);
        assert_eq!(trial(fill(512 << 20)), Trial::Crashed);
        let turn = || while std::hint::black_box(true) {};
        assert_eq!(trial(turn), Trial::Crashed);
    }
}
