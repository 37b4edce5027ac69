//! A warp: which lanes are where, and one instruction after another.

use super::Machine;
use super::copy::Pending;
use super::dispatch::members;
use crate::code::*;
use crate::fault::Fault;
use crate::regs::{LANES, Regs};
use crate::shadow::StampKind;

/// Lanes at one instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pc: u32,
    mask: u32,
    /// Whether it waits for other lanes.
    parked: bool,
}

/// A warp.
pub(super) struct Warp {
    pub number: u32,
    pub regs: Regs,
    /// Lanes that there are.
    pub lanes: u32,
    /// Lanes that have not ended.
    pub live: u32,
    groups: Vec<Group>,
    /// Barrier, threads, instruction.
    pub waits: Option<(u32, Option<u32>, u32)>,
    pub clocks: Vec<u32>,
    pub pending: Vec<Pending>,
    /// Groups of copies that each lane has closed.
    pub groups_closed: [u32; LANES],
    pub local: Vec<u8>,
    /// Instructions so far.
    pub steps: u64,
}

/// Why a warp stopped.
pub(super) enum Stop {
    /// It waits.
    Barrier(u32, Option<u32>),
    /// It used up its instructions.
    Budget,
    /// All lanes ended.
    Done,
}

/// The lanes of a mask.
pub(super) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let lane = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(lane)
    })
}

impl Warp {
    pub fn new(code: &Code, number: u32, threads: u32) -> Warp {
        let present = (threads - number * 32).min(32);
        let [r32, r64, pred] = code.registers;
        let mut regs = Regs {
            r32: vec![[0; LANES]; r32],
            r64: vec![[0; LANES]; r64],
            pred: vec![0; pred],
        };
        for &(slot, value) in &code.constants32 {
            regs.r32[slot as usize] = [value; LANES];
        }
        for &(slot, value) in &code.constants64 {
            regs.r64[slot as usize] = [value; LANES];
        }
        Warp {
            number,
            regs,
            lanes: (u64::MAX >> (64 - present)) as u32,
            live: 0,
            groups: Vec::new(),
            waits: None,
            clocks: vec![1; threads.div_ceil(32) as usize],
            pending: Vec::new(),
            groups_closed: [0; LANES],
            local: vec![0; code.local_bytes as usize * LANES],
            steps: 0,
        }
    }

    pub fn ready(&self) -> bool {
        self.live != 0 && self.waits.is_none()
    }

    /// Takes the group that is to run; none if all lanes ended.
    fn choose(&mut self) -> Result<Option<Group>, ()> {
        if let [group] = self.groups[..] {
            self.groups.clear();
            return Ok(Some(group));
        }
        // Lanes at the same instruction go on together.
        self.groups.sort_by_key(|group| group.pc);
        self.groups.dedup_by(|next, group| {
            let same = next.pc == group.pc;
            if same {
                group.mask |= next.mask;
                group.parked = false;
            }
            same
        });
        if self.groups.len() == 1 {
            self.groups[0].parked = false;
        }
        match self.groups.iter().position(|group| !group.parked) {
            Some(i) => Ok(Some(self.groups.remove(i))),
            None if self.groups.is_empty() => Ok(None),
            None => Err(()),
        }
    }
}

impl Machine<'_> {
    pub(super) fn reset(&self, warp: &mut Warp) {
        let code = self.launch.code;
        for (window, &slot) in self.launch.windows.iter().zip(&code.params) {
            warp.regs.r64[slot as usize] = [window.base; LANES];
        }
        for &(slot, address) in &self.launch.globals {
            warp.regs.r64[slot as usize] = [address; LANES];
        }
        for &(slot, special) in &code.specials {
            let value = std::array::from_fn(|lane| self.special(special, warp, lane));
            warp.regs.r32[slot as usize] = value;
        }
        warp.live = warp.lanes;
        warp.groups = vec![Group {
            pc: 0,
            mask: warp.lanes,
            parked: false,
        }];
        warp.waits = None;
        warp.clocks.fill(1);
        warp.pending.clear();
        warp.groups_closed = [0; LANES];
        warp.local.fill(self.launch.options.garbage);
        warp.steps = 0;
    }

    pub(super) fn run_warp(&mut self, warp: &mut Warp, mut budget: u64) -> Result<Stop, Fault> {
        let code = self.launch.code;
        loop {
            let group = match warp.choose() {
                Ok(Some(group)) => group,
                Ok(None) => return Ok(Stop::Done),
                Err(()) => {
                    let line = code.lines[warp.groups[0].pc as usize];
                    return Err(
                        Fault::new("lanes of a warp wait for others that do not come")
                            .with_line(line)
                            .with_place(self.place, self.thread(warp, 0)),
                    );
                }
            };
            let Group { mut pc, mask, .. } = group;
            let alone = warp.groups.is_empty();
            loop {
                if budget == 0 {
                    warp.groups.push(Group {
                        pc,
                        mask,
                        parked: false,
                    });
                    return Ok(Stop::Budget);
                }
                budget -= 1;
                warp.steps += 1;
                self.step = pc;
                let step = &code.steps[pc as usize];
                let active = match step.guard {
                    Guard::Always => mask,
                    Guard::If(slot) => mask & warp.regs.pred[slot as usize],
                    Guard::Unless(slot) => mask & !warp.regs.pred[slot as usize],
                };
                self.report.instructions += 1;
                if warp.steps > self.launch.options.steps {
                    let fault = Fault::new("the kernel does not end");
                    return Err(self.blame(fault, warp, 0));
                }
                match &step.op {
                    Op::Branch(target) if active == mask => pc = *target,
                    _ if active == 0 => pc += 1,
                    Op::Alu(alu) => {
                        alu(&mut warp.regs, active);
                        pc += 1;
                    }
                    Op::Branch(target) => {
                        warp.groups.push(Group {
                            pc: *target,
                            mask: active,
                            parked: false,
                        });
                        warp.groups.push(Group {
                            pc: pc + 1,
                            mask: mask & !active,
                            parked: false,
                        });
                        break;
                    }
                    Op::Exit => {
                        warp.live &= !active;
                        self.copies_done(warp, active, None)?;
                        if mask != active {
                            warp.groups.push(Group {
                                pc: pc + 1,
                                mask: mask & !active,
                                parked: false,
                            });
                        }
                        break;
                    }
                    Op::Barrier(id, count) => {
                        if active != warp.live {
                            if alone {
                                let fault =
                                    Fault::new("a barrier that not all lanes of the warp reach");
                                return Err(self.blame(
                                    fault,
                                    warp,
                                    lanes(active).next().unwrap_or(0),
                                ));
                            }
                            warp.groups.push(Group {
                                pc,
                                mask,
                                parked: true,
                            });
                            break;
                        }
                        let first = lanes(active).next().unwrap_or(0);
                        let id = warp.regs.r32[*id as usize][first];
                        let count = count.map(|slot| warp.regs.r32[slot as usize][first]);
                        warp.groups.push(Group {
                            pc: pc + 1,
                            mask,
                            parked: false,
                        });
                        return Ok(Stop::Barrier(id, count));
                    }
                    op => {
                        if let Some(slot) = members(op) {
                            let wanted = match slot {
                                Some(slot) => {
                                    warp.regs.r32[slot as usize][lanes(active).next().unwrap_or(0)]
                                }
                                None => u32::MAX,
                            };
                            if let Some(lane) = lanes(active & !wanted).next() {
                                let fault = Fault::new("a lane that its own mask leaves out");
                                return Err(self.blame(fault, warp, lane));
                            }
                            if wanted & warp.live & !active != 0 {
                                if alone {
                                    let fault = Fault::new("not all lanes of the mask take part");
                                    let lane = lanes(active).next().unwrap_or(0);
                                    return Err(self.blame(fault, warp, lane));
                                }
                                warp.groups.push(Group {
                                    pc,
                                    mask,
                                    parked: true,
                                });
                                break;
                            }
                        }
                        self.other(warp, op, active)?;
                        pc += 1;
                    }
                }
                if !alone
                    && warp
                        .groups
                        .iter()
                        .any(|other| other.pc == pc || other.pc < pc && !other.parked)
                {
                    warp.groups.push(Group {
                        pc,
                        mask,
                        parked: false,
                    });
                    break;
                }
            }
        }
    }

    /// How a lane of this warp stands to accesses of others.
    pub(super) fn plain(&self, warp: &Warp, lane: usize) -> crate::shadow::Stamp {
        self.stamp(warp, lane, StampKind::Plain)
    }
}
