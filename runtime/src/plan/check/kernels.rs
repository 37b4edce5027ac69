//! Kernels: their limits, and what their code takes.

use std::collections::HashMap;

use crate::plan::{DeviceProgram, Kernel};

/// Threads that a block may have, in each direction and in all.
const BLOCK: [u32; 3] = [1024, 1024, 64];
const THREADS: u64 = 1024;

/// Blocks that a grid may have, in each direction.
const GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];

/// Bytes of shared memory that a block of any chip can have: sm_90 and sm_100 give the most.
const SHARED: u32 = 227 * 1024;

/// Arguments of a kernel, 8 bytes each: 4 KiB is what every chip takes.
const ARGUMENTS: usize = 512;

fn within(what: &str, extents: [u32; 3], most: [u32; 3]) -> Result<(), String> {
    match (extents.iter().zip(most)).all(|(&n, most)| (1..=most).contains(&n)) {
        true => Ok(()),
        false => Err(format!(
            "{what} {extents:?} is beyond what a GPU takes: from 1 to {most:?}"
        )),
    }
}

/// Checks the blocks of a launch.
pub(super) fn grid(grid: [u32; 3]) -> Result<(), String> {
    within("the grid", grid, GRID)
}

/// How many arguments each kernel takes; an error has the kernel's number.
pub(super) fn arguments(program: &DeviceProgram) -> Result<Vec<usize>, (usize, String)> {
    let modules: Vec<HashMap<&str, &str>> = program.modules.iter().map(|m| entries(m)).collect();
    let kernels = program.kernels.iter().enumerate();
    kernels
        .map(|(i, kernel)| count(kernel, &modules).map_err(|e| (i, e)))
        .collect()
}

fn count(kernel: &Kernel, modules: &[HashMap<&str, &str>]) -> Result<usize, String> {
    within("the block", kernel.block, BLOCK)?;
    let threads: u64 = kernel.block.iter().map(|&n| u64::from(n)).product();
    if threads > THREADS {
        return Err(format!(
            "the block {:?} has {threads} threads, but a GPU takes {THREADS}",
            kernel.block
        ));
    }
    if kernel.shared_bytes > SHARED {
        return Err(format!(
            "it takes {} bytes of shared memory, but a block has {SHARED} at most",
            kernel.shared_bytes
        ));
    }
    let module = modules.get(kernel.module as usize).ok_or_else(|| {
        format!(
            "it is of module {}, but there are {}",
            kernel.module,
            modules.len()
        )
    })?;
    let parameters = module
        .get(&*kernel.entry)
        .ok_or_else(|| format!("module {} has no such .entry", kernel.module))?;
    let mut count = 0;
    for parameter in parameters.split(".param").skip(1) {
        let parameter = parameter.trim_start();
        if !(parameter.starts_with(".u64") || parameter.starts_with(".b64")) {
            return Err("its code takes an argument that is no 64-bit address".to_owned());
        }
        count += 1;
    }
    match count <= ARGUMENTS {
        true => Ok(count),
        false => Err(format!(
            "it takes {count} arguments, but a GPU takes {ARGUMENTS}"
        )),
    }
}

/// The entries of a PTX text, and what stands between the parentheses after each.
fn entries(module: &str) -> HashMap<&str, &str> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%');
    let mut entries = HashMap::new();
    for (at, directive) in module.match_indices(".entry") {
        let rest = module[at + directive.len()..].trim_start();
        let (name, rest) = rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()));
        let parameters = rest.trim_start().strip_prefix('(');
        let parameters = parameters.and_then(|p| p.split_once(')'));
        entries.insert(name, parameters.map_or("", |(inside, _)| inside));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_ptx() {
        let module = "\
.visible .entry scale(
\t.param .u64 .ptr .global .align 16 scale_param_0,
\t.param .b64 scale_param_1
)
.reqntid 128
{ ret; }
.entry nothing { ret; }
.entry none() { ret; }
.entry wrong(.param .u64 a, .param .u32 n) { ret; }";
        let modules = [entries(module)];
        let of = |entry: &str| {
            let kernel = Kernel {
                entry: entry.to_owned(),
                module: 0,
                block: [1; 3],
                shared_bytes: 0,
                computes: String::new(),
            };
            count(&kernel, &modules)
        };
        assert_eq!(of("scale"), Ok(2));
        assert_eq!(of("nothing"), Ok(0));
        assert_eq!(of("none"), Ok(0));
        assert!(of("wrong").unwrap_err().contains("no 64-bit address"));
        assert!(of("scal").unwrap_err().contains("no such .entry"));
    }
}
