//! Which device.

use hla_ir::Diagnostic;
use hla_runtime::device::Device;

use crate::Open;

/// Which device, and how.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Device")]
pub struct Which {
    /// The GPU, by its number in `hla-run devices`; CUDA_VISIBLE_DEVICES chooses which those are
    #[arg(long, global = true, value_name = "cuda[:N]", default_value = "cuda", value_parser = device)]
    device: usize,
    /// Wait for each kernel: slow, but if one fails, it is named
    #[arg(long, global = true)]
    synchronous: bool,
}

/// Where programs run.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    which: Which,
    open: Open,
}

impl Place {
    /// The device that was asked for, which `open` opens.
    pub fn new(which: Which, open: Open) -> Place {
        Place { which, open }
    }

    /// Opens it.
    pub fn open(self) -> Result<Box<dyn Device>, Diagnostic> {
        (self.open)(self.which.device, self.which.synchronous)
    }
}

fn device(text: &str) -> Result<usize, String> {
    let number = match text.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|n| n.parse::<u16>().ok()),
        None => None,
    };
    number
        .map(usize::from)
        .ok_or_else(|| "it is cuda, or cuda:N for GPU N".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_numbers() {
        assert_eq!(device("cuda"), Ok(0));
        assert_eq!(device("cuda:3"), Ok(3));
        for wrong in ["", "cuda:", "cuda:x", "cuda3", "cpu", "cuda:-1"] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
    }
}
