//! What a driver's failures mean for people.

use hla_ir::{Diagnostic, Location};

use super::driver::{Missing, OLDEST};

/// A call of the driver that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Which.
    pub call: &'static str,
    /// Its result.
    pub code: u32,
    /// What the driver says of it.
    pub text: String,
}

/// Results of the driver, by cuda.h.
mod code {
    pub const OUT_OF_MEMORY: u32 = 2;
    pub const STUB_LIBRARY: u32 = 34;
    pub const DEVICE_UNAVAILABLE: u32 = 46;
    pub const NO_DEVICE: u32 = 100;
    pub const NO_BINARY: u32 = 209;
    pub const INVALID_PTX: u32 = 218;
    pub const NO_JIT: u32 = 221;
    pub const PTX_VERSION: u32 = 222;
    pub const ILLEGAL_ADDRESS: u32 = 700;
    pub const OUT_OF_RESOURCES: u32 = 701;
    pub const TIMEOUT: u32 = 702;
    pub const HARDWARE_STACK: u32 = 714;
    pub const ILLEGAL_INSTRUCTION: u32 = 715;
    pub const MISALIGNED: u32 = 716;
    pub const INVALID_ADDRESS_SPACE: u32 = 717;
    pub const INVALID_PC: u32 = 718;
    pub const LAUNCH_FAILED: u32 = 719;
    pub const DRIVER_MISMATCH: u32 = 803;
    pub const COMPATIBILITY: u32 = 804;
}

impl Failed {
    /// Whether a kernel did what it must not: nothing of the context can be used any more.
    pub fn is_fault(&self) -> bool {
        use code::{
            HARDWARE_STACK, ILLEGAL_ADDRESS, ILLEGAL_INSTRUCTION, INVALID_ADDRESS_SPACE,
            INVALID_PC, LAUNCH_FAILED, MISALIGNED, TIMEOUT,
        };
        matches!(
            self.code,
            ILLEGAL_ADDRESS
                | TIMEOUT
                | HARDWARE_STACK
                | ILLEGAL_INSTRUCTION
                | MISALIGNED
                | INVALID_ADDRESS_SPACE
                | INVALID_PC
                | LAUNCH_FAILED
        )
    }

    /// Whether memory is missing.
    pub fn is_out_of_memory(&self) -> bool {
        self.code == code::OUT_OF_MEMORY
    }
}

fn error(message: String, help: &str) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message).help(help)
}

/// A version as people write it: 12040 is 12.4.
pub fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Bytes as people write them.
pub fn size(bytes: u64) -> String {
    const GIB: f64 = (1_u64 << 30) as f64;
    const MIB: f64 = (1_u64 << 20) as f64;
    match bytes as f64 {
        b if b >= GIB => format!("{:.2} GiB", b / GIB),
        b if b >= MIB => format!("{:.1} MiB", b / MIB),
        _ => format!("{bytes} bytes"),
    }
}

/// There is no driver.
pub fn missing(missing: &Missing) -> Diagnostic {
    match missing {
        Missing::Library => error(
            "there is no NVIDIA driver: its library, libcuda.so.1, cannot be opened".to_owned(),
            "install NVIDIA's driver, of which nvidia-smi must list the GPU (in a container, start it \
             with access to the GPU); nothing else of CUDA is needed",
        ),
        Missing::Old(found) => error(
            format!(
                "the NVIDIA driver is too old: it is of CUDA {}, but {} is needed",
                version(*found),
                version(OLDEST)
            ),
            "install a newer driver of NVIDIA's",
        ),
        Missing::Start(failed) => {
            let help = match failed.code {
                code::NO_DEVICE => {
                    "nvidia-smi must list a GPU, and CUDA_VISIBLE_DEVICES, if it is set, must name one"
                }
                code::STUB_LIBRARY => {
                    "the libcuda.so that was found is a stub of the CUDA toolkit: put the driver's own \
                     before it in LD_LIBRARY_PATH"
                }
                code::DRIVER_MISMATCH | code::COMPATIBILITY => {
                    "the driver's library does not fit its kernel module: restart the machine, or \
                     install the driver again"
                }
                _ => "see whether nvidia-smi works",
            };
            error(
                format!(
                    "the NVIDIA driver does not start: {} ({} gives {})",
                    failed.text, failed.call, failed.code
                ),
                help,
            )
        }
    }
}

/// There is no device of this number.
pub fn no_device(index: usize, names: &[String]) -> Diagnostic {
    let list: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("{i}: {name}"))
        .collect();
    let help = match list.is_empty() {
        true => "nvidia-smi must list a GPU, and CUDA_VISIBLE_DEVICES, if it is set, must name one"
            .to_owned(),
        false => format!("there are {}", list.join(", ")),
    };
    error(format!("there is no CUDA device {index}"), &help)
}

/// Any call that has no story of its own.
pub fn call(failed: &Failed) -> Diagnostic {
    let help = match failed.code {
        code::OUT_OF_MEMORY => "give the machine, or the GPU, more free memory",
        code::DEVICE_UNAVAILABLE => {
            "another process has the GPU for itself: wait for it, or take another with --device cuda:N"
        }
        _ => {
            "see whether nvidia-smi works; if it does, this is a mistake in hlac: please report it"
        }
    };
    error(
        format!(
            "the NVIDIA driver refuses {}: {} ({})",
            failed.call, failed.text, failed.code
        ),
        help,
    )
}

/// The device has too little memory.
pub fn out_of_memory(wanted: u64, allocated: u64, free: Option<(u64, u64)>) -> Diagnostic {
    let free = free.map_or_else(String::new, |(free, total)| {
        format!(", but {} of {} are free", size(free), size(total))
    });
    error(
        format!(
            "the GPU has too little memory: {} are wanted{free}; {} are in use by this program",
            size(wanted),
            size(allocated)
        ),
        "compile the model for a smaller batch, or free the GPU of what nvidia-smi lists",
    )
}

/// A module cannot be compiled: what its kernels compute, what the driver's compiler said.
pub fn module(failed: &Failed, log: &str, target: &str, device: &str) -> Diagnostic {
    let (why, help) = match failed.code {
        code::PTX_VERSION => (
            "its PTX is of a newer version than this driver reads".to_owned(),
            "install a newer driver, or compile the program for an older chip, such as sm_80",
        ),
        code::NO_BINARY => (
            format!("it is for {target}, which {device} is not"),
            "compile the program for this GPU: hlac train --target cuda:sm_XY",
        ),
        code::NO_JIT => (
            "the driver's PTX compiler, libnvidia-ptxjitcompiler.so.1, cannot be opened".to_owned(),
            "install the whole driver; in a container, allow NVIDIA_DRIVER_CAPABILITIES=compute",
        ),
        code::INVALID_PTX => (
            "the driver's compiler refuses its PTX".to_owned(),
            "this is a mistake in hlac, or the file was changed: please report it with this message",
        ),
        _ => (
            format!("{} ({})", failed.text, failed.code),
            "see whether nvidia-smi works; if it does, this is a mistake in hlac: please report it",
        ),
    };
    let diagnostic = error(format!("the program's code cannot be loaded: {why}"), help);
    match log.is_empty() {
        true => diagnostic,
        false => diagnostic.note(Location::unknown(), format!("the compiler says: {log}")),
    }
}

/// A kernel that cannot be started, or that did what it must not.
pub fn kernel(failed: &Failed, kernel: &str) -> Diagnostic {
    if failed.code == code::OUT_OF_RESOURCES {
        return error(
            format!("the GPU has too few registers or too little shared memory for {kernel}"),
            "compile the program for this GPU: hlac train --target cuda:sm_XY",
        );
    }
    error(
        format!(
            "{kernel} failed on the GPU: {} ({})",
            failed.text, failed.code
        ),
        "this is a mistake in hlac: please report it with the program; checkpoints are as they were",
    )
}

/// Some kernel did what it must not; when that was noticed, it could not be told which.
pub fn fault(failed: &Failed) -> Diagnostic {
    error(
        format!(
            "a kernel failed on the GPU: {} ({})",
            failed.text, failed.code
        ),
        "the same command with --synchronous is slower, and tells which; checkpoints are as they were",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: u32) -> Failed {
        Failed {
            call: "cuSomething",
            code,
            text: "something is wrong".to_owned(),
        }
    }

    #[test]
    fn sizes_and_versions_are_short() {
        assert_eq!(version(11_080), "11.8");
        assert_eq!(version(13_000), "13.0");
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(3 << 20), "3.0 MiB");
        assert_eq!(size(5 << 29), "2.50 GiB");
    }

    #[test]
    fn every_story_has_a_next_step() {
        let all = [
            missing(&Missing::Library),
            missing(&Missing::Old(11_020)),
            missing(&Missing::Start(failed(100))),
            missing(&Missing::Start(failed(999))),
            no_device(3, &[]),
            no_device(3, &["A".to_owned(), "B".to_owned()]),
            call(&failed(46)),
            out_of_memory(5 << 30, 1 << 30, Some((1 << 30, 8 << 30))),
            module(&failed(222), "", "sm_90", "sm_80"),
            module(&failed(218), "line 3: what?", "sm_90", "sm_80"),
            kernel(&failed(701), "kernel 'k'"),
            kernel(&failed(700), "kernel 'k'"),
            fault(&failed(719)),
        ];
        for diagnostic in &all {
            assert!(diagnostic.help.is_some(), "{diagnostic}");
        }
        assert!(
            all[1].message.contains("of CUDA 11.2, but 11.4"),
            "{}",
            all[1]
        );
        assert!(all[5].help.as_deref().is_some_and(|h| h.contains("1: B")));
        assert!(
            all[7]
                .message
                .contains("5.00 GiB are wanted, but 1.00 GiB of 8.00 GiB are free"),
            "{}",
            all[7]
        );
        assert!(all[9].notes[0].1.contains("line 3: what?"));
        assert!(failed(700).is_fault() && failed(719).is_fault());
        assert!(!failed(701).is_fault() && !failed(2).is_fault());
    }
}
