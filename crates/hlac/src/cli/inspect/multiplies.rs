//! Multiply instructions in machine code, inside and outside innermost loops.

use std::collections::{BTreeMap, BTreeSet};

use capstone::prelude::*;
use serde::Serialize;

use super::loops;

/// An instruction set that can be counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Isa {
    X86_64,
    Aarch64,
}

/// Multiply instructions of one function.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(super) struct Counts {
    /// Symbol of the function.
    pub symbol: String,
    /// Instructions that can be reached.
    pub instructions: usize,
    /// Innermost loops.
    pub inner_loops: usize,
    /// Multiply instructions in innermost loops.
    pub inner: usize,
    /// Multiply instructions elsewhere.
    pub outer: usize,
    /// Names of the multiply instructions in innermost loops.
    pub inner_names: BTreeSet<String>,
}

/// What an instruction does to the flow of control.
enum Flow {
    Next,
    /// To an address, and perhaps on to the next instruction.
    Jump(u64, bool),
    End,
}

struct Instruction {
    end: u64,
    multiplies: bool,
    name: String,
    flow: Flow,
}

/// Counts in the function whose code is `code` and lies at `address`. Only instructions that can be
/// reached from its beginning count, so constants between the instructions do no harm.
pub(super) fn count(isa: Isa, symbol: &str, code: &[u8], address: u64) -> Result<Counts, String> {
    let capstone = match isa {
        Isa::X86_64 => Capstone::new()
            .x86()
            .mode(arch::x86::ArchMode::Mode64)
            .build(),
        Isa::Aarch64 => Capstone::new()
            .arm64()
            .mode(arch::arm64::ArchMode::Arm)
            .build(),
    }
    .map_err(|e| e.to_string())?;
    let mut found: BTreeMap<u64, Instruction> = BTreeMap::new();
    let mut starts = BTreeSet::from([address]);
    let mut work = vec![address];
    while let Some(mut at) = work.pop() {
        while !found.contains_key(&at) {
            let Some(rest) = at.checked_sub(address).and_then(|o| code.get(o as usize..)) else {
                break;
            };
            let decoded = capstone
                .disasm_count(rest, at, 1)
                .map_err(|e| e.to_string())?;
            let Some(instruction) = decoded.iter().next() else {
                return Err(format!("{symbol}: the bytes at {at:#x} are no instruction"));
            };
            let name = instruction.mnemonic().unwrap_or_default().to_owned();
            let flow = flow(isa, &name, instruction.op_str().unwrap_or_default());
            let end = at + instruction.bytes().len() as u64;
            let next = match flow {
                Flow::Next => Some(end),
                Flow::Jump(target, on) => {
                    starts.insert(target);
                    work.push(target);
                    on.then(|| {
                        starts.insert(end);
                        end
                    })
                }
                Flow::End => None,
            };
            let multiplies = multiplies(isa, &name);
            found.insert(
                at,
                Instruction {
                    end,
                    multiplies,
                    name,
                    flow,
                },
            );
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    Ok(summarize(symbol, &found, &starts))
}

fn summarize(symbol: &str, found: &BTreeMap<u64, Instruction>, starts: &BTreeSet<u64>) -> Counts {
    let blocks: Vec<u64> = starts
        .iter()
        .copied()
        .filter(|s| found.contains_key(s))
        .collect();
    // The entry must be block 0: it is the lowest address of a function.
    let block_of = |at: u64| blocks.partition_point(|&s| s <= at).checked_sub(1);
    let mut successors = vec![Vec::new(); blocks.len()];
    for (&at, instruction) in found {
        let Some(block) = block_of(at) else { continue };
        let mut to = |target: u64| {
            if let Ok(index) = blocks.binary_search(&target) {
                successors[block].push(index);
            }
        };
        match instruction.flow {
            Flow::Jump(target, on) => {
                to(target);
                if on {
                    to(instruction.end);
                }
            }
            // A block that ends because another begins falls through into it.
            Flow::Next => to(instruction.end),
            Flow::End => {}
        }
    }
    let (inside, inner_loops) = loops::innermost(&successors);
    let mut counts = Counts {
        symbol: symbol.to_owned(),
        instructions: found.len(),
        inner_loops,
        ..Counts::default()
    };
    for (&at, instruction) in found.iter().filter(|(_, i)| i.multiplies) {
        match block_of(at).is_some_and(|b| inside[b]) {
            true => {
                counts.inner += 1;
                counts.inner_names.insert(instruction.name.clone());
            }
            false => counts.outer += 1,
        }
    }
    counts
}

fn flow(isa: Isa, name: &str, operands: &str) -> Flow {
    // Capstone writes addresses below ten without 0x.
    let target = operands.rsplit([',', ' ']).next().and_then(|t| {
        let t = t.trim_start_matches('#');
        match t.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => t.parse().ok(),
        }
    });
    let (jumps, always, ends) = match isa {
        Isa::X86_64 => (
            name.starts_with('j') || name.starts_with("loop"),
            name == "jmp",
            name.starts_with("ret")
                || name.starts_with("ud2")
                || name == "hlt"
                || name.starts_with("int3"),
        ),
        Isa::Aarch64 => (
            name == "b" || name.starts_with("b.") || ["cbz", "cbnz", "tbz", "tbnz"].contains(&name),
            name == "b",
            ["ret", "br", "udf", "brk", "retaa", "retab"].contains(&name),
        ),
    };
    match (jumps, ends, target) {
        (_, true, _) => Flow::End,
        (true, _, Some(target)) => Flow::Jump(target, !always),
        // An indirect jump.
        (true, _, None) => Flow::End,
        _ => Flow::Next,
    }
}

/// Whether an instruction multiplies: integer or float, scalar or vector, fused or not, dot products
/// included; division is multiplication's kin and counts too.
fn multiplies(isa: Isa, name: &str) -> bool {
    match isa {
        Isa::X86_64 => {
            let n = name.strip_prefix('v').unwrap_or(name);
            [
                "mul", "imul", "mulx", "div", "idiv", "pmul", "pmadd", "pdp", "fmadd", "fmsub",
                "fnmadd", "fnmsub", "fmul", "fdiv", "dpp", "dpbf", "fcmul", "fcmadd", "gf2p8mul",
            ]
            .iter()
            .any(|m| n.starts_with(m))
        }
        Isa::Aarch64 => {
            let n = name.trim_end_matches("2");
            n.contains("mul")
                || n.contains("mla")
                || n.contains("mls")
                || n.contains("div")
                || n.ends_with("dot")
                || [
                    "madd", "msub", "mneg", "smaddl", "umaddl", "smsubl", "umsubl", "smnegl",
                    "umnegl", "fmadd", "fmsub", "fnmadd", "fnmsub", "fmlal", "fmlsl", "smmla",
                    "ummla", "usmmla", "fcmla",
                ]
                .contains(&n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Assembled with llvm-mc; a loop that multiplies and adds, then a multiplication outside.
    #[test]
    fn counts_on_x86_64() {
        // vmulps xmm0,xmm1,xmm2 · L: vfmadd231ps xmm0,xmm1,xmm2 · imul eax,ecx · add eax,ecx ·
        // dec rdx · jne L · ret · (data)
        let code = [
            0xc5, 0xf0, 0x59, 0xc2, 0xc4, 0xe2, 0x71, 0xb8, 0xc2, 0x0f, 0xaf, 0xc1, 0x01, 0xc8,
            0x48, 0xff, 0xca, 0x75, 0xf1, 0xc3, 0xff, 0xff,
        ];
        let counts = count(Isa::X86_64, "f", &code, 0x100).unwrap();
        assert_eq!((counts.instructions, counts.inner_loops), (7, 1));
        assert_eq!((counts.inner, counts.outer), (2, 1));
        assert!(counts.inner_names.contains("imul") && counts.inner_names.contains("vfmadd231ps"));
    }

    #[test]
    fn counts_on_aarch64() {
        // L: fmla v0.4s,v1.4s,v2.4s · add x0,x0,#1 · subs x1,x1,#1 · b.ne L · mul x0,x0,x1 · ret
        let words: [u32; 6] = [
            0x4e22cc20, 0x91000400, 0xf1000421, 0x54ffffa1, 0x9b017c00, 0xd65f03c0,
        ];
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let counts = count(Isa::Aarch64, "f", &code, 0).unwrap();
        assert_eq!((counts.instructions, counts.inner_loops), (6, 1));
        assert_eq!((counts.inner, counts.outer), (1, 1));
    }

    #[test]
    fn what_multiplies() {
        for name in [
            "vpmaddubsw",
            "vpdpbusd",
            "pmulhuw",
            "mulss",
            "imul",
            "vfnmadd231ss",
            "vdivps",
        ] {
            assert!(multiplies(Isa::X86_64, name), "{name}");
        }
        for name in [
            "vpaddw",
            "lea",
            "shl",
            "vpshufb",
            "vpsubw",
            "vmovups",
            "vpmovsxbw",
            "vminps",
        ] {
            assert!(!multiplies(Isa::X86_64, name), "{name}");
        }
        for name in [
            "smull2", "sdot", "usdot", "madd", "fmul", "sqdmulh", "mls", "umlal2",
        ] {
            assert!(multiplies(Isa::Aarch64, name), "{name}");
        }
        for name in [
            "add", "sub", "tbl", "saddw2", "fadd", "mov", "umov", "smax", "ldr",
        ] {
            assert!(!multiplies(Isa::Aarch64, name), "{name}");
        }
    }
}
