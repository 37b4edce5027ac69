//! Running a launch: blocks one after another, in each the warps under a schedule.
//!
//! A warp keeps groups of lanes that are at the same instruction and always runs the group that is
//! furthest behind, so lanes that went apart meet again as soon as they can. An instruction that needs
//! lanes of other groups waits for them.

mod access;
mod atomic;
mod block;
mod check;
mod copy;
mod dispatch;
mod matrix;
mod sync;
mod warp;

use crate::code::{Code, Special};
use crate::fault::Fault;
use crate::memory::{Memory, Window};
use crate::options::{Options, Report, Schedule};
use crate::shadow::{Cell, Conflict, Stamp, StampKind, Who};
use hla_runtime::plan::Access;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use warp::Warp;

/// Most threads of a block.
const THREADS: u64 = 1024;

/// A launch.
pub struct Launch<'a> {
    /// The kernel.
    pub code: &'a Code,
    /// How to run.
    pub options: &'a Options,
    /// All memory.
    pub memory: &'a mut Memory,
    /// Pointers: the arguments in order, then variables of the module.
    pub windows: Vec<Window>,
    /// Addresses of variables of the module by slot.
    pub globals: Vec<(u16, u64)>,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// How many blocks ever ran.
    pub serial: &'a mut u32,
}

/// A launch under way.
struct Machine<'a> {
    launch: Launch<'a>,
    report: Report,
    /// The first block's number.
    first: u32,
    /// This block's number among all.
    serial: u32,
    /// Where in the grid it is.
    place: [u32; 3],
    shared: Vec<u8>,
    cells: Vec<Cell>,
    random: Option<Pcg64Mcg>,
    /// The instruction under way.
    step: u32,
}

/// Runs it.
pub fn run(launch: Launch) -> Result<Report, Fault> {
    let code = launch.code;
    let [x, y, z] = launch.block.map(u64::from);
    let threads = x * y * z;
    if threads == 0 || threads > THREADS || launch.grid.contains(&0) {
        return Err(Fault::new(format!(
            "a grid of {:?} blocks with {:?} threads",
            launch.grid, launch.block
        )));
    }
    if code.threads.is_some_and(|most| threads > most) {
        return Err(Fault::new(format!(
            "{threads} threads in a block, which the code does not allow"
        )));
    }
    if launch.windows.len() < code.params.len() {
        return Err(Fault::new(format!(
            "{} arguments for {} parameters",
            launch.windows.len(),
            code.params.len()
        )));
    }
    if let (false, Some(&line)) = (launch.options.float_atomics, code.float_atomics.first()) {
        return Err(crate::fault::at_line(
            line,
            "an atomic sum of floats, whose order is not defined",
        ));
    }
    let blocks = launch.grid.iter().map(|&n| u64::from(n)).product::<u64>();
    let shared = code.shared_bytes + u64::from(launch.shared_bytes);
    let random = match launch.options.schedule {
        Schedule::Random(seed) => Some(Pcg64Mcg::seed_from_u64(seed)),
        _ => None,
    };
    let first = *launch.serial + 1;
    if u64::from(first) + blocks > u64::from(u32::MAX) {
        return Err(Fault::new("more blocks than the emulator counts"));
    }
    let mut machine = Machine {
        report: Report {
            launches: 1,
            ..Report::default()
        },
        first,
        serial: first,
        place: [0; 3],
        shared: vec![0; shared as usize],
        cells: vec![Cell::default(); shared.div_ceil(code.shared_grain) as usize],
        random,
        step: 0,
        launch,
    };
    let mut warps: Vec<Warp> = (0..threads.div_ceil(32) as u32)
        .map(|number| Warp::new(code, number, threads as u32))
        .collect();
    let mut order: Vec<u64> = (0..blocks).collect();
    match machine.launch.options.schedule {
        Schedule::InOrder => {}
        Schedule::Reverse => order.reverse(),
        Schedule::Random(_) => {
            for i in (1..order.len()).rev() {
                let j = machine.below(i as u64 + 1) as usize;
                order.swap(i, j);
            }
        }
    }
    let [gx, gy, _] = machine.launch.grid.map(u64::from);
    for number in order {
        machine.place = [number % gx, number / gx % gy, number / (gx * gy)].map(|n| n as u32);
        *machine.launch.serial += 1;
        machine.serial = *machine.launch.serial;
        machine.block(&mut warps)?;
    }
    machine.written()?;
    Ok(machine.report)
}

impl Machine<'_> {
    /// A number below another, by chance.
    fn below(&mut self, n: u64) -> u64 {
        self.random
            .as_mut()
            .map_or(0, |random| random.next_u64() % n)
    }

    /// Which thread of the block a lane is.
    fn thread(&self, warp: &Warp, lane: usize) -> [u32; 3] {
        let number = warp.number * 32 + lane as u32;
        let [x, y, _] = self.launch.block;
        [number % x, number / x % y, number / (x * y)]
    }

    /// Adds place and instruction to a fault of a lane.
    #[cold]
    fn blame(&self, fault: Fault, warp: &Warp, lane: usize) -> Fault {
        fault
            .with_line(self.launch.code.lines[self.step as usize])
            .with_place(self.place, self.thread(warp, lane))
    }

    #[cold]
    fn race(&self, conflict: Conflict, memory: &str) -> Fault {
        let other = conflict.other;
        let place = if other.serial == self.serial {
            format!("thread {} of the block", other.thread)
        } else {
            format!("thread {} of another block", other.thread)
        };
        Fault::new(format!("{} in {memory}, with {place}", conflict.what))
            .with_other(self.launch.code.lines[other.step as usize])
    }

    /// The stamp of a lane.
    #[inline]
    fn stamp(&self, warp: &Warp, lane: usize, kind: StampKind) -> Stamp {
        Stamp {
            serial: self.serial,
            clock: warp.clocks[warp.number as usize],
            step: self.step,
            thread: (warp.number * 32) as u16 + lane as u16,
            kind,
        }
    }

    /// A special register in a lane.
    fn special(&self, special: Special, warp: &Warp, lane: usize) -> u32 {
        let launch = &self.launch;
        match special {
            Special::Tid(i) => self.thread(warp, lane)[i as usize],
            Special::Ntid(i) => launch.block[i as usize],
            Special::Ctaid(i) => self.place[i as usize],
            Special::Nctaid(i) => launch.grid[i as usize],
            Special::Lane => lane as u32,
            Special::Warp => warp.number,
            Special::Warps => launch.block.iter().product::<u32>().div_ceil(32),
            Special::Mask(side, own) => (0..32)
                .filter(|&other: &usize| match side {
                    _ if other == lane => own,
                    0 => false,
                    side if side < 0 => other < lane,
                    _ => other > lane,
                })
                .fold(0, |mask, other| mask | 1 << other),
            Special::DynamicShared => launch.shared_bytes,
            Special::TotalShared => self.shared.len() as u32,
        }
    }

    /// Checks that all bytes that a plan says are written were written.
    fn written(&mut self) -> Result<(), Fault> {
        if !self.launch.options.races {
            return Ok(());
        }
        let code = self.launch.code;
        let grain = code.global_grain;
        for window in &self.launch.windows {
            if window.access != Access::Write {
                continue;
            }
            let Some(allocation) = self.launch.memory.slot(window.slot) else {
                continue;
            };
            let shadow = &mut allocation.shadows[grain.trailing_zeros() as usize];
            let cells = window.start / grain..(window.start + window.bytes).div_ceil(grain);
            for number in cells.clone() {
                if shadow.cell(number as usize).write.serial < self.first {
                    return Err(Fault::new(format!(
                        "{} is to be written, but byte {} of {} is not",
                        window.name,
                        (number - cells.start) * grain,
                        window.bytes
                    )));
                }
            }
        }
        Ok(())
    }

    fn who<'w>(&self, stamp: Stamp, warp: &'w Warp, first: u32) -> Who<'w> {
        Who {
            stamp,
            first,
            clocks: &warp.clocks,
        }
    }
}
