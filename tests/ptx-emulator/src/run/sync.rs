//! What lanes of a warp tell each other.

use super::Machine;
use super::warp::{Warp, lanes};
use crate::code::*;
use crate::fault::Fault;
use crate::regs::blend;

impl Machine<'_> {
    pub(super) fn shuffle(
        &mut self,
        warp: &mut Warp,
        op: &Shuffle,
        active: u32,
    ) -> Result<(), Fault> {
        let values = warp.regs.r32[op.value as usize];
        let (by, clamps) = (
            warp.regs.r32[op.lane as usize],
            warp.regs.r32[op.clamp as usize],
        );
        let mut out = warp.regs.r32[op.result as usize];
        let mut valid = 0;
        for lane in lanes(active) {
            let own = lane as u32;
            let b = by[lane] & 31;
            let (clamp, segment) = (clamps[lane] & 31, clamps[lane] >> 8 & 31);
            let most = own & segment | clamp & !segment;
            let least = own & segment;
            let (source, inside) = match op.kind {
                ShuffleKind::Up => {
                    let source = own.wrapping_sub(b) as i32;
                    (source as u32, source >= most as i32)
                }
                ShuffleKind::Down => (own + b, own + b <= most),
                ShuffleKind::Butterfly => (own ^ b, own ^ b <= most),
                ShuffleKind::Index => {
                    let source = least | b & !segment;
                    (source, source <= most)
                }
            };
            let source = if inside { source } else { own };
            if active >> source & 1 == 0 {
                let fault = Fault::new(format!(
                    "a value is taken from lane {source}, which does not take part"
                ));
                return Err(self.blame(fault, warp, lane));
            }
            out[lane] = values[source as usize];
            valid |= u32::from(inside) << lane;
        }
        warp.regs.r32[op.result as usize] = out;
        if let Some(slot) = op.valid {
            let target = &mut warp.regs.pred[slot as usize];
            *target = *target & !active | valid;
        }
        Ok(())
    }

    pub(super) fn vote(
        &mut self,
        warp: &mut Warp,
        vote: Vote,
        predicate: u16,
        negated: bool,
        active: u32,
    ) {
        let bits = warp.regs.pred[predicate as usize];
        let ballot = if negated { !bits } else { bits } & active;
        let (slot, answer) = match vote {
            Vote::All(slot) => (slot, ballot == active),
            Vote::Any(slot) => (slot, ballot != 0),
            Vote::Uniform(slot) => (slot, ballot == 0 || ballot == active),
            Vote::Ballot(slot) => {
                blend(&mut warp.regs.r32[slot as usize], active, &[ballot; 32]);
                return;
            }
        };
        let target = &mut warp.regs.pred[slot as usize];
        *target = if answer {
            *target | active
        } else {
            *target & !active
        };
    }

    pub(super) fn redux(&mut self, warp: &mut Warp, kind: Redux, d: u16, a: u16, active: u32) {
        let values = warp.regs.r32[a as usize];
        let value = lanes(active)
            .map(|lane| values[lane])
            .reduce(|x, y| match kind {
                Redux::Add => x.wrapping_add(y),
                Redux::MinU => x.min(y),
                Redux::MaxU => x.max(y),
                Redux::MinS => (x as i32).min(y as i32) as u32,
                Redux::MaxS => (x as i32).max(y as i32) as u32,
                Redux::And => x & y,
                Redux::Or => x | y,
                Redux::Xor => x ^ y,
            });
        blend(
            &mut warp.regs.r32[d as usize],
            active,
            &[value.unwrap_or(0); 32],
        );
    }

    pub(super) fn matching(&mut self, warp: &mut Warp, op: &Match, active: u32) {
        let (slot, wide) = op.value;
        let values: [u64; 32] = if wide {
            warp.regs.r64[slot as usize]
        } else {
            warp.regs.r32[slot as usize].map(u64::from)
        };
        let equal = |lane: usize| {
            lanes(active)
                .filter(|&other| values[other] == values[lane])
                .fold(0u32, |mask, other| mask | 1 << other)
        };
        let mut valid = 0;
        let mut out = [0; 32];
        for lane in lanes(active) {
            let mask = equal(lane);
            let all = mask == active;
            valid |= u32::from(all) << lane;
            out[lane] = if op.all && !all { 0 } else { mask };
        }
        blend(&mut warp.regs.r32[op.result as usize], active, &out);
        if let Some(slot) = op.valid {
            let target = &mut warp.regs.pred[slot as usize];
            *target = *target & !active | valid;
        }
    }
}
