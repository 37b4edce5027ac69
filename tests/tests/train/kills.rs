//! SIGKILL at random moments, again and again, until training is done: the result has the bits of
//! an undisturbed run. `HLAC_KILLS=50 HLAC_KILL_SEED=3 ./x test kills` kills more often.

use std::time::{Duration, Instant};

use super::*;

/// A number from an environment variable.
fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |t| t.parse().unwrap())
}

/// Numbers that look random, by xorshift.
struct Random(u64);

impl Random {
    /// From 0 to less than 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn kills_lose_nothing() {
    let place = Place::new();
    let test = digits("test-images.npy");
    let started = Instant::now();
    place
        .train(
            "cnn.mlir",
            &format!("{SHORT} --eval {test} --metrics whole.jsonl -o whole.safetensors"),
        )
        .success();
    let whole = started.elapsed();

    let options = format!(
        "{SHORT} --eval {test} --checkpoint state --resume --metrics m.jsonl -o out.safetensors"
    );
    let (wanted, seed) = (number("HLAC_KILLS", 8), number("HLAC_KILL_SEED", 1));
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut kills, mut runs) = (0, 0);
    while kills < wanted || runs == 0 {
        let mut child = place.start("cnn.mlir", &options);
        // At any moment: while reading, compiling, training, writing.
        let moment = whole.mul_f64(1.1 * random.next());
        let killed = kills < wanted && !ends_within(&mut child, moment);
        if killed {
            child.kill().unwrap();
            kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            runs += 1;
            assert_eq!(
                place.read("out.safetensors"),
                place.read("whole.safetensors"),
                "after {kills} kills"
            );
            same_metrics(&place.metrics("m.jsonl"), &place.metrics("whole.jsonl"));
            // From the beginning, for the kills that are left.
            std::fs::remove_dir_all(place.path("state")).unwrap();
            std::fs::remove_file(place.path("out.safetensors")).unwrap();
        } else {
            assert!(killed, "a run failed on its own: {stderr}");
            // The kill may come after the result was written, but never in the midst of it.
            assert!(!place.path("out.safetensors").exists() || complete(&place));
        }
    }
    println!("{kills} kills (seed {seed}), {runs} runs to the end, all with the same bits");
}

fn complete(place: &Place) -> bool {
    place.read("out.safetensors") == place.read("whole.safetensors")
}

fn ends_within(child: &mut Child, time: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.try_wait().unwrap().is_some()
}
