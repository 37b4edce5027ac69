//! A block: its warps take turns, and wait for each other at barriers.

use super::Machine;
use super::warp::{Stop, Warp};
use crate::fault::{Fault, at_line};
use crate::options::Schedule;

impl Machine<'_> {
    pub(super) fn block(&mut self, warps: &mut [Warp]) -> Result<(), Fault> {
        self.report.blocks += 1;
        self.shared.fill(self.launch.options.garbage);
        for warp in warps.iter_mut() {
            self.reset(warp);
        }
        let schedule = self.launch.options.schedule;
        loop {
            let mut ready: Vec<usize> = (0..warps.len()).filter(|&i| warps[i].ready()).collect();
            if ready.is_empty() {
                if warps.iter().all(|warp| warp.live == 0) {
                    return Ok(());
                }
                return Err(self.deadlock(warps));
            }
            match schedule {
                Schedule::InOrder => {}
                Schedule::Reverse => ready.reverse(),
                Schedule::Random(_) => {
                    let chosen = ready[self.below(ready.len() as u64) as usize];
                    ready = vec![chosen];
                }
            }
            for i in ready {
                let budget = match schedule {
                    Schedule::Random(_) => 1 + self.below(64),
                    _ => u64::MAX,
                };
                match self.run_warp(&mut warps[i], budget)? {
                    Stop::Budget => {}
                    Stop::Barrier(id, count) => {
                        warps[i].waits = Some((id, count, self.step));
                        self.release(warps, id)?;
                    }
                    Stop::Done => {
                        let waiting: Vec<u32> = warps
                            .iter()
                            .filter_map(|warp| warp.waits.map(|(id, ..)| id))
                            .collect();
                        for id in waiting {
                            self.release(warps, id)?;
                        }
                    }
                }
            }
        }
    }

    /// Lets warps go on if all that a barrier waits for have come.
    fn release(&mut self, warps: &mut [Warp], id: u32) -> Result<(), Fault> {
        let here = |warp: &Warp| warp.waits.is_some_and(|(other, ..)| other == id);
        let mut count = None;
        let mut came = 0;
        for warp in warps.iter().filter(|warp| here(warp)) {
            let Some((_, wanted, step)) = warp.waits else {
                continue;
            };
            if *count.get_or_insert(wanted) != wanted {
                let line = self.launch.code.lines[step as usize];
                return Err(at_line(
                    line,
                    "warps wait at one barrier for different numbers of threads",
                ));
            }
            came += 32;
        }
        let complete = match count {
            None => return Ok(()),
            Some(Some(wanted)) => came >= wanted,
            Some(None) => warps.iter().all(|warp| warp.live == 0 || here(warp)),
        };
        if !complete {
            return Ok(());
        }
        self.report.barriers += 1;
        let mut known = vec![0; warps.len()];
        for warp in warps.iter_mut().filter(|warp| here(warp)) {
            warp.clocks[warp.number as usize] += 1;
            for (known, &clock) in known.iter_mut().zip(&warp.clocks) {
                *known = clock.max(*known);
            }
        }
        for warp in warps.iter_mut().filter(|warp| here(warp)) {
            warp.clocks.clone_from(&known);
            warp.waits = None;
        }
        Ok(())
    }

    #[cold]
    fn deadlock(&self, warps: &[Warp]) -> Fault {
        let lines: Vec<String> = warps
            .iter()
            .filter_map(|warp| {
                let (id, _, step) = warp.waits?;
                let line = self.launch.code.lines[step as usize];
                Some(format!(
                    "warp {} at barrier {id} in line {line}",
                    warp.number
                ))
            })
            .collect();
        Fault::new(format!("warps wait for ever: {}", lines.join(", ")))
            .with_place(self.place, [0; 3])
    }
}
