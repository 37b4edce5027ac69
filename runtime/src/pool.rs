//! The thread pool behind the C interface's `parallel_for`.
//!
//! A loop of n items is cut into blocks that depend on n and the number of threads alone; whoever
//! is free takes the next block. Compiled kernels compute each item by itself, so the results are
//! the same bits for any number of threads.
//!
//! Loops of a program follow each other within microseconds, less than it takes to wake a thread: a
//! worker that finds no work, and a caller that waits for the last worker, look again for a while
//! before they sleep.
//!
//! All `unsafe` code about threads lives here. The contract: [`ThreadPool::parallel_for`] lends a
//! closure to the workers and returns only when no worker can call it any more.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hla_ir::{Diagnostic, Location};

/// Blocks each thread gets on average: enough to even out a thread that the system interrupts.
const BLOCKS_PER_THREAD: usize = 4;

/// How long a thread looks for work before it sleeps: several times what waking it takes.
const PATIENCE: Duration = Duration::from_micros(50);

/// A kernel as C sees it: computes items `begin..end` of the loop that `ctx` describes.
pub type CBody = unsafe extern "C" fn(ctx: *mut c_void, begin: usize, end: usize);

/// `struct hlac_parallel` of the generated header: how compiled code asks for threads.
#[repr(C)]
#[derive(Debug)]
pub struct CParallel {
    /// First argument of `parallel_for`.
    pub pool: *mut c_void,
    /// Calls `body(ctx, begin, end)` for ranges that cover `0..n` once, from any threads, and
    /// returns when all have returned.
    pub parallel_for:
        unsafe extern "C" fn(pool: *mut c_void, n: usize, body: CBody, ctx: *mut c_void),
}

/// Threads that share loops.
#[derive(Debug)]
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held during a loop: one loop at a time.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// A loop begins, or the pool ends.
    begin: Condvar,
    /// The last worker has left a loop.
    idle: Condvar,
    /// Rises with every loop and at the end: [`State::epoch`] for those who look without the lock.
    news: AtomicU64,
    /// [`State::busy`] for those who look without the lock.
    working: AtomicUsize,
}

#[derive(Debug)]
struct State {
    /// Number of loops begun: how a worker tells a new loop from one it has served.
    epoch: u64,
    job: Option<Job>,
    /// Workers inside the current loop.
    busy: usize,
    /// Workers that wait for `begin`.
    asleep: usize,
    /// Whether the caller waits for `idle`.
    awaited: bool,
    ending: bool,
}

/// A loop, as the workers see it. The pointer is alive while `State::job` holds the job or
/// `State::busy` counts a worker that took it from there.
#[derive(Clone, Copy, Debug)]
struct Job(*const Loop<'static>);

// SAFETY: the pointer is used only as described at `Job`, and what it points at is `Sync`.
unsafe impl Send for Job {}

struct Loop<'a> {
    n: usize,
    block: usize,
    next: AtomicUsize,
    panicked: AtomicBool,
    body: &'a (dyn Fn(usize, usize) + Sync),
}

impl Loop<'_> {
    /// Takes blocks until none is left.
    fn work(&self) {
        loop {
            let begin = self.next.fetch_add(self.block, Ordering::Relaxed);
            if begin >= self.n {
                return;
            }
            let end = self.n.min(begin.saturating_add(self.block));
            if catch_unwind(AssertUnwindSafe(|| (self.body)(begin, end))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
}

thread_local! {
    /// Whether this thread is inside a loop: a loop within a loop runs where it stands.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks; a poisoned one is still consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

impl ThreadPool {
    /// A pool of `threads` threads, the caller's own among them; at least one.
    pub fn new(threads: usize) -> Result<ThreadPool, Diagnostic> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                epoch: 0,
                job: None,
                busy: 0,
                asleep: 0,
                awaited: false,
                ending: false,
            }),
            begin: Condvar::new(),
            idle: Condvar::new(),
            news: AtomicU64::new(0),
            working: AtomicUsize::new(0),
        });
        let mut pool = ThreadPool {
            shared,
            workers: Vec::new(),
            turn: Mutex::new(()),
        };
        for i in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new()
                .name(format!("hlac-{i}"))
                .spawn(move || serve(&shared))
                .map_err(|e| {
                    Diagnostic::error(
                        Location::unknown(),
                        format!("cannot start {threads} threads: {e}"),
                    )
                    .help("ask for fewer threads")
                })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// How many threads share a loop.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body(begin, end)` for ranges that cover `0..n` once each, on all threads, and returns
    /// when all calls have. An error means that a call panicked; all other calls were made.
    ///
    /// A call from within a body runs on the calling thread alone.
    pub fn parallel_for(
        &self,
        n: usize,
        body: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<(), Diagnostic> {
        let block = n.div_ceil(self.threads() * BLOCKS_PER_THREAD).max(1);
        let work = Loop {
            n,
            block,
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            body,
        };
        let alone = self.workers.is_empty() || n <= block || INSIDE.get();
        if alone {
            work.work();
        } else {
            self.share(&work);
        }
        match work.panicked.into_inner() {
            false => Ok(()),
            true => Err(Diagnostic::error(
                Location::unknown(),
                "a parallel loop's body panicked",
            )),
        }
    }

    /// Runs a loop together with the workers.
    fn share(&self, work: &Loop<'_>) {
        let _turn = lock(&self.turn);
        let asleep = {
            let mut state = lock(&self.shared.state);
            state.epoch += 1;
            // The cast lengthens the lifetime of `work.body`; see below for why it lives enough.
            state.job = Some(Job(std::ptr::from_ref(work).cast()));
            self.shared.news.fetch_add(1, Ordering::Release);
            state.asleep
        };
        if asleep > 0 {
            self.shared.begin.notify_all();
        }
        INSIDE.set(true);
        // Panics of the body end inside `work`, so what follows is always reached.
        work.work();
        INSIDE.set(false);
        let mut state = lock(&self.shared.state);
        // From here on no worker can take the job; those that have it are counted in `busy`.
        state.job = None;
        if state.busy > 0 {
            drop(state);
            look_for(|| self.shared.working.load(Ordering::Acquire) == 0);
            state = lock(&self.shared.state);
            state.awaited = true;
            while state.busy > 0 {
                state = wait(&self.shared.idle, state);
            }
            state.awaited = false;
        }
    }

    /// The pool as compiled code sees it, valid while the pool is borrowed.
    pub fn as_c(&self) -> CParallel {
        CParallel {
            pool: std::ptr::from_ref(self).cast_mut().cast(),
            parallel_for: c_parallel_for,
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        lock(&self.shared.state).ending = true;
        self.shared.news.fetch_add(1, Ordering::Release);
        self.shared.begin.notify_all();
        for worker in self.workers.drain(..) {
            // A worker never panics: bodies are caught.
            let _ = worker.join();
        }
    }
}

/// Waits until something is true, but not for long.
fn look_for(found: impl Fn() -> bool) {
    let mut start = None;
    while !found() {
        for _ in 0..32 {
            std::hint::spin_loop();
        }
        let start = *start.get_or_insert_with(Instant::now);
        if start.elapsed() > PATIENCE {
            return;
        }
    }
}

/// What a worker does all its life.
fn serve(shared: &Shared) {
    INSIDE.set(true);
    let mut served = 0;
    let mut state = lock(&shared.state);
    loop {
        if state.ending {
            return;
        }
        let Some(job) = state.job.filter(|_| state.epoch != served) else {
            let (epoch, news) = (state.epoch, shared.news.load(Ordering::Acquire));
            drop(state);
            look_for(|| shared.news.load(Ordering::Acquire) != news);
            state = lock(&shared.state);
            // A loop that has begun meanwhile, and may be over, needs another look.
            if state.epoch == epoch && !state.ending {
                state.asleep += 1;
                state = wait(&shared.begin, state);
                state.asleep -= 1;
            }
            continue;
        };
        served = state.epoch;
        state.busy += 1;
        shared.working.store(state.busy, Ordering::Release);
        drop(state);
        // SAFETY: the job was taken from `State::job` and `busy` was raised under one lock, so
        // `share` does not return, and the loop and its body live, until `busy` is lowered below.
        unsafe { &*job.0 }.work();
        state = lock(&shared.state);
        state.busy -= 1;
        shared.working.store(state.busy, Ordering::Release);
        if state.busy == 0 && state.awaited {
            shared.idle.notify_all();
        }
    }
}

/// A context pointer that threads may share: the caller of `parallel_for` in C promises that `body`
/// may be called from any thread.
struct Context(*mut c_void);
// SAFETY: it is never dereferenced here, only handed to `body`, under that promise.
unsafe impl Sync for Context {}

impl Context {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// `parallel_for` of [`CParallel`].
///
/// # Safety
/// `pool` comes from [`ThreadPool::as_c`] of a pool that lives; `body` may be called with `ctx` for
/// any ranges within `0..n`, from several threads at once, and does not unwind.
unsafe extern "C" fn c_parallel_for(pool: *mut c_void, n: usize, body: CBody, ctx: *mut c_void) {
    // SAFETY: by the contract above.
    let pool = unsafe { &*pool.cast::<ThreadPool>() };
    let ctx = Context(ctx);
    // `body` is `extern "C"`: it cannot unwind, so there is no error to lose.
    let _ = pool.parallel_for(n, &|begin, end| {
        // SAFETY: by the contract above.
        unsafe { body(ctx.get(), begin, end) }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn counts(pool: &ThreadPool, n: usize) -> Vec<u32> {
        let counts: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
        pool.parallel_for(n, &|begin, end| {
            for count in &counts[begin..end] {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
        .unwrap();
        counts.into_iter().map(AtomicU32::into_inner).collect()
    }

    #[test]
    fn every_item_is_computed_once() {
        for threads in [0, 1, 2, 3, 8] {
            let pool = ThreadPool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads.max(1));
            for n in [0, 1, 2, 7, 8, 9, 31, 1000] {
                assert_eq!(counts(&pool, n), vec![1; n], "{threads} threads, {n} items");
            }
        }
    }

    #[test]
    fn many_loops_follow_each_other() {
        let pool = ThreadPool::new(3).unwrap();
        for n in 0..300 {
            assert_eq!(counts(&pool, n), vec![1; n]);
        }
    }

    #[test]
    fn work_is_shared() {
        let pool = ThreadPool::new(2).unwrap();
        let ids = Mutex::new(Vec::new());
        let both = std::sync::Barrier::new(2);
        let seen = AtomicUsize::new(0);
        pool.parallel_for(8, &|_, _| {
            // The first two blocks wait for each other, which one thread alone could not do.
            if seen.fetch_add(1, Ordering::Relaxed) < 2 {
                both.wait();
                lock(&ids).push(std::thread::current().id());
            }
        })
        .unwrap();
        let ids = ids.into_inner().unwrap();
        assert_eq!(ids.len(), 2);
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn a_panic_is_an_error_and_the_pool_lives_on() {
        let pool = ThreadPool::new(2).unwrap();
        let done = AtomicUsize::new(0);
        let error = pool
            .parallel_for(16, &|begin, end| {
                assert!(!(begin..end).contains(&5), "this panic is part of the test");
                done.fetch_add(end - begin, Ordering::Relaxed);
            })
            .unwrap_err();
        assert!(error.message.contains("panicked"));
        assert_eq!(done.into_inner(), 14);
        assert_eq!(counts(&pool, 100), vec![1; 100]);
    }

    #[test]
    fn loops_nest_and_may_come_from_several_threads() {
        let pool = ThreadPool::new(2).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let total = AtomicUsize::new(0);
                    pool.parallel_for(10, &|begin, end| {
                        for _ in begin..end {
                            pool.parallel_for(7, &|b, e| {
                                total.fetch_add(e - b, Ordering::Relaxed);
                            })
                            .unwrap();
                        }
                    })
                    .unwrap();
                    assert_eq!(total.into_inner(), 70);
                });
            }
        });
    }

    #[test]
    fn the_c_interface_covers_every_item() {
        unsafe extern "C" fn fill(ctx: *mut c_void, begin: usize, end: usize) {
            let items = ctx.cast::<u32>();
            for i in begin..end {
                // SAFETY: the test passes 1000 items, and ranges do not overlap.
                unsafe { *items.add(i) += i as u32 + 1 };
            }
        }
        let pool = ThreadPool::new(3).unwrap();
        let c = pool.as_c();
        let mut items = vec![0_u32; 1000];
        // SAFETY: the pool lives, and `fill` keeps to its items.
        unsafe { (c.parallel_for)(c.pool, items.len(), fill, items.as_mut_ptr().cast()) };
        assert!(items.iter().enumerate().all(|(i, &v)| v == i as u32 + 1));
    }
}
