//! The runs: each setting with each seed.
//!
//! Every run begins with the float weights of its seed, after [`Scale::float`] epochs, and trains
//! [`Scale::more`] epochs more, whatever the method: the methods have equal starts and equal budgets.

/// How much is trained.
pub struct Scale {
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Epochs of float training that every run begins with.
    pub float: usize,
    /// Epochs of each run after that.
    pub more: usize,
    /// Of these, epochs of stage 1: those at each of the ten t of Algorithm 1.
    pub each_t: usize,
    /// Epochs of stage 1 where t does not change, for the cosine similarities of Table 4.
    pub fixed: usize,
}

impl Scale {
    /// What docs/reproduction.md tells.
    pub const FULL: Scale = Scale {
        train: 20_000,
        test: 4_000,
        float: 12,
        more: 24,
        each_t: 1,
        fixed: 10,
    };

    /// To see that it works.
    pub const QUICK: Scale = Scale {
        train: 2_000,
        test: 500,
        float: 3,
        more: 14,
        each_t: 1,
        fixed: 10,
    };
}

/// One training.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// The setting, such as `hla-70`.
    pub setting: String,
    /// The seed.
    pub seed: u64,
    /// The run whose model it begins with.
    pub begins_with: Option<String>,
    /// What `hlac train` is told, without files.
    pub arguments: Vec<String>,
}

impl Run {
    /// What its files are called.
    pub fn name(&self) -> String {
        format!("{}.{}", self.setting, self.seed)
    }

    /// Whether its weights stay float.
    pub fn is_float(&self) -> bool {
        self.arguments
            .windows(2)
            .any(|pair| pair == ["--quantizer", "float"])
    }
}

/// What all runs have in common; rates fall to zero along one cosine in each stage.
const COMMON: &str = "--batch 128 --augment shift=3 --schedule cosine --reestimate 100";

/// Rates: the same for every method that computes with ternary weights.
const TERNARY: &str = "--ternary-lr 0.05";

/// The settings, those that later ones are compared with first: name and arguments.
fn settings(scale: &Scale) -> Vec<(String, String)> {
    let Scale {
        float,
        more,
        each_t,
        fixed,
        ..
    } = *scale;
    let stage_1 = 10 * each_t;
    let stage_2 = more - stage_1;
    let mut all = vec![
        (
            "start".to_owned(),
            format!("--quantizer float --float-epochs {float} --float-lr 0.1"),
        ),
        (
            "float".to_owned(),
            format!("--quantizer float --float-epochs {more} --float-lr 0.05"),
        ),
    ];
    let mut add = |name: &str, arguments: String| all.push((name.to_owned(), arguments));

    // Table 1: every method at equal shares of zeros, and at its own.
    let hla = format!(
        "--quantizer hla {TERNARY} --lr 0.05 --epochs-per-t {each_t} --ternary-epochs {stage_2}"
    );
    let plain = |name: &str| format!("--quantizer {name} {TERNARY} --ternary-epochs {more}");
    for zeros in ["0.7", "0.8"] {
        let percent = &zeros[2..];
        add(
            &format!("ste-{percent}0"),
            format!("{} --sparsity {zeros}", plain("ste")),
        );
        for name in ["twn", "ttq"] {
            let arguments = format!("{} --threshold sparsity --sparsity {zeros}", plain(name));
            add(&format!("{name}-{percent}0"), arguments);
        }
        add(
            &format!("hla-{percent}0"),
            format!("{hla} --threshold-start {zeros}"),
        );
    }
    add("twn", plain("twn"));
    add("ttq", plain("ttq"));
    add("hla", hla.clone());

    // Figure 3, the scope of Δ, Eq. 13: one change each of hla-80.
    let base = format!("{hla} --threshold-start 0.8");
    for s in ["alpha", "none"] {
        add(&format!("hla-80-s-{s}"), format!("{base} --rescale {s}"));
    }
    add("hla-80-global", format!("{base} --threshold-scope global"));
    add(
        "hla-80-symmetric",
        format!("{base} --threshold-gradient symmetric"),
    );
    add("hla-80-fixed", format!("{base} --threshold fixed"));
    add("hla-80-project", format!("{base} --sphere project"));

    // Table 4: stage 1 alone, cosine similarity at its t.
    let stage_1_at = |t: &str, rest: &str| {
        format!(
            "--quantizer hla --lr 0.05 --t1 {t} --t2 {t} --t2-inclusive --epochs-per-t {fixed} --ternary-epochs 0 {rest}"
        )
    };
    add("cosine-off", stage_1_at("0.7", "--lambda 0 --sphere off"));
    add("cosine-sphere", stage_1_at("0.7", "--lambda 0"));
    for t in ["0.5", "0.7", "0.9", "0.95"] {
        add(&format!("cosine-{t}"), stage_1_at(t, "--lambda 10"));
    }

    // Table 3: where Δ̄ starts against the schedule of Δ.
    for start in ["0.7", "0.65", "0.6"] {
        for t in ["0.5", "0.7", "0.9"] {
            let arguments = format!(
                "--quantizer hla {TERNARY} --lr 0.05 --t1 {t} --t2 {t} --t2-inclusive \
                 --epochs-per-t {stage_1} --ternary-epochs {stage_2} --threshold-start {start}"
            );
            add(&format!("grid-{start}-{t}"), arguments);
        }
        add(
            &format!("grid-{start}-grow"),
            format!("{hla} --threshold-start {start}"),
        );
    }
    all
}

/// All runs, seed by seed.
pub fn runs(scale: &Scale, seeds: u64) -> Vec<Run> {
    let settings = settings(scale);
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |seed, (setting, arguments): &(String, String)| Run {
        setting: setting.clone(),
        seed,
        begins_with: (setting != "start").then(|| format!("start.{seed}")),
        arguments: words(&format!("{arguments} {COMMON}")),
    };
    (0..seeds)
        .flat_map(|seed| settings.iter().map(move |s| run(seed, s)))
        .collect()
}

/// Keeps the runs whose names contain `text`, and those that they begin with.
pub fn keep(runs: &mut Vec<Run>, text: &str) {
    let starts: Vec<String> = runs
        .iter()
        .filter(|run| run.name().contains(text))
        .filter_map(|run| run.begins_with.clone())
        .collect();
    runs.retain(|run| run.name().contains(text) || starts.contains(&run.name()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_names_of_their_own_and_equal_budgets() {
        let runs = runs(&Scale::FULL, 2);
        let names: std::collections::BTreeSet<String> = runs.iter().map(Run::name).collect();
        assert_eq!(names.len(), runs.len());
        for run in runs
            .iter()
            .filter(|r| r.seed == 0 && !r.setting.starts_with("cosine"))
        {
            let number = |flag: &str| {
                let at = run.arguments.iter().position(|a| a == flag)?;
                run.arguments[at + 1].parse::<usize>().ok()
            };
            let fixed =
                number("--t1") == number("--t2") && run.arguments.contains(&"--t1".to_owned());
            let phases = if fixed { 1 } else { 10 };
            let stage_1 = phases * number("--epochs-per-t").unwrap_or(0);
            let epochs = stage_1
                + number("--float-epochs").unwrap_or(0)
                + number("--ternary-epochs").unwrap_or(0);
            let expected = if run.setting == "start" {
                Scale::FULL.float
            } else {
                Scale::FULL.more
            };
            assert_eq!(epochs, expected, "{}", run.name());
        }
    }

    #[test]
    fn what_a_run_begins_with_is_kept_with_it() {
        let mut some = runs(&Scale::QUICK, 2);
        keep(&mut some, "twn-70.1");
        let names: Vec<String> = some.iter().map(Run::name).collect();
        assert_eq!(names, ["start.1", "twn-70.1"]);
    }
}
