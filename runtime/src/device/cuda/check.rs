//! What is checked before the driver is asked: that commands stay within what was allocated, and
//! that kernels are given what they take. So a program that is wrong is an error, and nothing worse.

use std::collections::BTreeMap;

use hla_ir::{Diagnostic, Location};

use crate::device::{Address, Bound};

/// The most blocks of a launch, x first.
const GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
/// The most threads of a block, x first, and together.
const BLOCK: ([u32; 3], u64) = ([1024, 1024, 64], 1024);

/// What a launch must fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Takes {
    /// What people call the kernel.
    pub name: String,
    /// How many addresses it takes.
    pub parameters: usize,
}

/// Memory that was allocated: begin and bytes.
#[derive(Default, Debug)]
pub struct Allocations(BTreeMap<Address, u64>);

impl Allocations {
    /// Adds memory.
    pub fn add(&mut self, address: Address, bytes: u64) {
        self.0.insert(address, bytes);
    }

    /// Takes memory away, if it is there.
    pub fn remove(&mut self, address: Address) -> Option<u64> {
        self.0.remove(&address)
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.0.values().sum()
    }

    /// Where each begins.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.0.keys().copied()
    }

    /// Whether these bytes lie within one of them.
    pub fn contains(&self, address: Address, bytes: u64) -> bool {
        let below = self.0.range(..=address).next_back();
        below.is_some_and(|(begin, length)| {
            let offset = address - begin;
            offset <= *length && bytes <= length - offset
        })
    }

    /// Refuses bytes that do not.
    pub fn check(&self, what: &str, address: Address, bytes: u64) -> Result<(), Diagnostic> {
        match self.contains(address, bytes) {
            true => Ok(()),
            false => Err(refuse(format!(
                "{what} touches {bytes} bytes at {address:#x}, which are not allocated"
            ))),
        }
    }
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
        .help("the program is damaged, or this is a mistake in hlac: please report it")
}

/// Refuses commands that a device would not run, or that go astray.
pub fn commands(
    commands: &[Bound],
    kernels: &[Takes],
    memory: &Allocations,
) -> Result<(), Diagnostic> {
    for command in commands {
        match command {
            Bound::Launch { kernel, grid, args } => {
                let takes = kernels
                    .get(*kernel)
                    .ok_or_else(|| refuse(format!("there is no kernel {kernel}")))?;
                let name = &takes.name;
                let fits = grid.iter().zip(GRID).all(|(&n, most)| n > 0 && n <= most);
                if !fits {
                    return Err(refuse(format!(
                        "{name} cannot be launched with {grid:?} blocks"
                    )));
                }
                if args.len() != takes.parameters {
                    return Err(refuse(format!(
                        "{name} takes {} addresses, but is given {}",
                        takes.parameters,
                        args.len()
                    )));
                }
                for arg in args {
                    memory.check(name, arg.address, arg.bytes)?;
                }
            }
            Bound::Copy {
                source,
                target,
                bytes,
            } => {
                memory.check("a copy", *source, *bytes)?;
                memory.check("a copy", *target, *bytes)?;
            }
            Bound::Fill { target, bytes, .. } => memory.check("a fill", *target, *bytes)?,
        }
    }
    Ok(())
}

/// Refuses a block that no device runs.
pub fn block(name: &str, block: [u32; 3]) -> Result<(), Diagnostic> {
    let (most, together) = BLOCK;
    let each = block.iter().zip(most).all(|(&n, most)| n > 0 && n <= most);
    let threads: u64 = block.iter().map(|&n| u64::from(n)).product();
    match each && threads <= together {
        true => Ok(()),
        false => Err(refuse(format!("{name} cannot have blocks of {block:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::BoundArg;
    use crate::plan::Access;

    fn memory() -> Allocations {
        let mut memory = Allocations::default();
        memory.add(0x1000, 0x100);
        memory.add(0x2000, 0x100);
        memory
    }

    #[test]
    fn bytes_lie_within_one_allocation() {
        let memory = memory();
        for (address, bytes, inside) in [
            (0x1000, 0x100, true),
            (0x1080, 0x80, true),
            (0x1080, 0x81, false),
            (0x1100, 0, true),
            (0x1101, 0, false),
            (0xfff, 1, false),
            (0x20ff, 1, true),
            (0x1000, u64::MAX, false),
            (u64::MAX, u64::MAX, false),
            (0, 0, false),
        ] {
            assert_eq!(
                memory.contains(address, bytes),
                inside,
                "{address:#x} {bytes}"
            );
        }
        assert_eq!(memory.bytes(), 0x200);
    }

    #[test]
    fn commands_that_go_astray_are_refused() {
        let memory = memory();
        let kernels = [Takes {
            name: "kernel 'k'".to_owned(),
            parameters: 2,
        }];
        let launch = |kernel, grid, addresses: &[u64]| Bound::Launch {
            kernel,
            grid,
            args: addresses
                .iter()
                .map(|&address| BoundArg {
                    address,
                    bytes: 0x80,
                    access: Access::Read,
                })
                .collect(),
        };
        let copy = |source, target, bytes| Bound::Copy {
            source,
            target,
            bytes,
        };
        let fill = |target, bytes| Bound::Fill {
            target,
            bytes,
            byte: 1,
        };
        let fine = [
            launch(0, [5, 65_535, 1], &[0x1000, 0x2010]),
            copy(0x1000, 0x2000, 0x100),
            fill(0x2000, 0x100),
        ];
        assert_eq!(commands(&fine, &kernels, &memory), Ok(()));
        for (wrong, says) in [
            (launch(1, [1; 3], &[]), "no kernel 1"),
            (
                launch(0, [1; 3], &[0x1000]),
                "takes 2 addresses, but is given 1",
            ),
            (launch(0, [1, 0, 1], &[0x1000, 0x1000]), "[1, 0, 1] blocks"),
            (launch(0, [1, 65_536, 1], &[0x1000, 0x1000]), "65536"),
            (launch(0, [1; 3], &[0x1000, 0x3000]), "0x3000"),
            (
                launch(0, [1; 3], &[0x1000, 0x2081]),
                "touches 128 bytes at 0x2081",
            ),
            (copy(0x1000, 0x2000, 0x101), "a copy touches 257 bytes"),
            (copy(0x1000, 0x3000, 1), "0x3000"),
            (fill(0x2001, 0x100), "a fill"),
        ] {
            let error = commands(&[wrong], &kernels, &memory).unwrap_err();
            assert!(error.message.contains(says), "{error}");
        }
    }

    #[test]
    fn blocks_have_at_most_1024_threads() {
        assert!(block("k", [1024, 1, 1]).is_ok() && block("k", [32, 8, 4]).is_ok());
        for wrong in [[0, 1, 1], [1025, 1, 1], [1024, 2, 1], [1, 1, 65]] {
            assert!(block("k", wrong).is_err(), "{wrong:?}");
        }
    }
}
