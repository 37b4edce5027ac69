//! Carrying out runs: several processes side by side, each continued where it was stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use hla_ir::Diagnostic;

use crate::plan::Run;
use crate::record::{Record, Records};

/// What the workers share.
struct Queue<'a> {
    waiting: Vec<&'a Run>,
    /// Names of runs whose model is there.
    done: BTreeSet<String>,
    running: usize,
    failed: usize,
    records: &'a mut Records,
    total: usize,
}

/// Does what is not done yet, at most `jobs` at once; whether all is done.
pub fn all(
    hlac: &Path,
    folder: &Path,
    runs: &[Run],
    records: &mut Records,
    jobs: usize,
) -> Result<bool, Diagnostic> {
    let model = |run: &Run| folder.join(format!("{}.safetensors", run.name()));
    let finished = |run: &&Run| records.done(run) && (!run.is_float() || model(run).exists());
    let done: BTreeSet<String> = runs.iter().filter(finished).map(Run::name).collect();
    let queue = Mutex::new(Queue {
        waiting: runs
            .iter()
            .filter(|run| !done.contains(&run.name()))
            .collect(),
        done,
        running: 0,
        failed: 0,
        records,
        total: runs.len(),
    });
    let changed = Condvar::new();
    let result = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| scope.spawn(|| work(hlac, folder, &queue, &changed)))
            .collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().unwrap_or(Ok(())))
    });
    result?;
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(queue.failed == 0 && queue.waiting.is_empty())
}

fn work(
    hlac: &Path,
    folder: &Path,
    queue: &Mutex<Queue>,
    changed: &Condvar,
) -> Result<(), Diagnostic> {
    let mut locked = queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let ready = locked.waiting.iter().position(|run| {
            run.begins_with
                .as_ref()
                .is_none_or(|start| locked.done.contains(start))
        });
        let Some(ready) = ready else {
            if locked.running == 0 || locked.waiting.is_empty() {
                return Ok(());
            }
            locked = changed.wait(locked).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let run = locked.waiting.remove(ready);
        locked.running += 1;
        drop(locked);
        let start = Instant::now();
        let outcome = one(hlac, folder, run);
        locked = queue.lock().unwrap_or_else(PoisonError::into_inner);
        locked.running -= 1;
        changed.notify_all();
        match outcome {
            Ok(record) => {
                let (accuracy, zeros) = (record.accuracy, record.zeros);
                locked.records.add(record)?;
                locked.done.insert(run.name());
                eprintln!(
                    "{}/{} {}: {accuracy:.2} %, {zeros:.1} % zeros, {:.0} s",
                    locked.done.len(),
                    locked.total,
                    run.name(),
                    start.elapsed().as_secs_f64()
                );
            }
            Err(message) => {
                locked.failed += 1;
                eprintln!("{} failed: {message}", run.name());
            }
        }
    }
}

/// Trains once.
fn one(hlac: &Path, folder: &Path, run: &Run) -> Result<Record, String> {
    let file = |suffix: &str| folder.join(format!("{}{suffix}", run.name()));
    let log = std::fs::File::create(file(".log")).map_err(|e| e.to_string())?;
    let mut command = Command::new(hlac);
    command.arg("train").arg(model()).args(&run.arguments);
    command.arg("--data").arg(folder.join("train.safetensors"));
    command.arg("--eval").arg(folder.join("test.safetensors"));
    if let Some(start) = &run.begins_with {
        command
            .arg("--weights")
            .arg(folder.join(format!("{start}.safetensors")));
    }
    command.args([
        "--seed",
        &run.seed.to_string(),
        "--threads",
        "1",
        "--json",
        "--resume",
    ]);
    command.arg("--checkpoint").arg(file(".checkpoint"));
    command.arg("--metrics").arg(file(".metrics.jsonl"));
    command.arg("-o").arg(file(".safetensors"));
    let output = command
        .stdin(Stdio::null())
        .stderr(log)
        .output()
        .map_err(|e| format!("cannot start {}: {e}", hlac.display()))?;
    if !output.status.success() {
        return Err(format!("{}, see {}", output.status, file(".log").display()));
    }
    let metrics = std::fs::read_to_string(file(".metrics.jsonl")).map_err(|e| e.to_string())?;
    let summary = String::from_utf8_lossy(&output.stdout);
    let record = Record::new(run, &summary, &metrics)?;
    // What is left of it serves no one, and a hundred of them are large.
    let _ = std::fs::remove_dir_all(file(".checkpoint"));
    Ok(record)
}

/// The network, which lies beside this package.
fn model() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("resnet8.mlir")
}
