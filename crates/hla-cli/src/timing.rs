//! What each phase of a command takes, and the peak of memory after it: `--timing`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Times of phases, in order.
pub struct Timing {
    enabled: bool,
    started: Instant,
    phases: Vec<(String, Duration, Option<u64>)>,
}

impl Timing {
    /// Begins; prints at the end only if `enabled`.
    pub fn new(enabled: bool) -> Timing {
        Timing {
            enabled,
            started: Instant::now(),
            phases: Vec::new(),
        }
    }

    /// Runs a phase.
    pub fn phase<T>(&mut self, name: &str, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        self.add(name, start.elapsed());
        result
    }

    /// Adds a phase that was timed elsewhere.
    pub fn add(&mut self, name: &str, time: Duration) {
        let peak = if self.enabled { peak_memory() } else { None };
        self.phases.push((name.to_owned(), time, peak));
    }

    /// Prints the table on standard error.
    pub fn finish(self) {
        if self.enabled {
            eprint!("{}", self.table());
        }
    }

    fn table(&self) -> String {
        let mut out = format!("{:<26} {:>9}  {:>9}\n", "phase", "ms", "peak MiB");
        let mut line = |name: &str, time: Duration, peak: Option<u64>| {
            let ms = time.as_secs_f64() * 1e3;
            let _ = write!(out, "{name:<26} {ms:>9.2}");
            if let Some(peak) = peak {
                let _ = write!(out, "  {:>9.1}", peak as f64 / f64::from(1 << 20));
            }
            out.push('\n');
        };
        for (name, time, peak) in &self.phases {
            line(name, *time, *peak);
        }
        line("total", self.started.elapsed(), peak_memory());
        out
    }
}

/// The largest resident set this process has had, in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_listed_in_order_with_a_total() {
        let mut timing = Timing::new(true);
        assert_eq!(timing.phase("parse", || 3), 3);
        timing.add("hla-pack", Duration::from_micros(1500));
        let table = timing.table();
        let (parse, pack) = (table.find("parse"), table.find("hla-pack"));
        assert!(parse.is_some() && parse < pack, "{table}");
        assert!(table.contains("1.50") && table.contains("total"), "{table}");
    }
}
