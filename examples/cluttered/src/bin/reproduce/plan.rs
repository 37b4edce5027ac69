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
    /// Epochs of each run after that; the first four of HLA are stage 1, one for each t.
    pub more: usize,
}

/// Epochs of stage 1, one for each t of 0.3, 0.4, 0.5 and 0.6.
const STAGE_1: usize = 4;

impl Scale {
    /// What docs/reproduction.md tells.
    pub const FULL: Scale = Scale {
        train: 20_000,
        test: 4_000,
        float: 8,
        more: 12,
    };

    /// To see that it works.
    pub const QUICK: Scale = Scale {
        train: 2_000,
        test: 500,
        float: 3,
        more: 6,
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

/// The rate of ternary weights; TTQ, whose scales and weights move together, does badly at it.
const TERNARY: &str = "--ternary-lr 0.1";

/// TTQ's.
const TERNARY_TTQ: &str = "--ternary-lr 0.03";

/// Stage 1 as all hyperspherical runs have it.
const STAGE: &str = "--lr 0.05 --t-step 0.1 --epochs-per-t 1";

/// λ in both stages.
const LAMBDA: &str = "--lambda 0.1";

/// A setting: its name and what `hlac train` is told.
type Setting = (String, String);

/// Every method at equal shares of zeros, and at its own.
fn methods(scale: &Scale) -> Vec<Setting> {
    let Scale { float, more, .. } = *scale;
    let plain = |name: &str| {
        let rate = if name == "ttq" { TERNARY_TTQ } else { TERNARY };
        format!("--quantizer {name} {rate} --ternary-epochs {more}")
    };
    let mut all = vec![
        setting(
            "start",
            format!("--quantizer float --float-epochs {float} --float-lr 0.1"),
        ),
        setting(
            "float",
            format!("--quantizer float --float-epochs {more} --float-lr 0.05"),
        ),
    ];
    for (percent, zeros, start) in [(80, 0.8, 0.81), (70, 0.7, 0.7)] {
        let hla = hla(
            scale,
            &format!("--threshold-scope global --threshold-start {start}"),
        );
        all.push(setting(format!("hla-{percent}"), hla));
        for name in ["ste", "twn", "ttq"] {
            let rule = if name == "ste" {
                ""
            } else {
                "--threshold sparsity"
            };
            let arguments = format!("{} {rule} --sparsity {zeros}", plain(name));
            all.push(setting(format!("{name}-{percent}"), arguments));
        }
        let arguments = format!(
            "{} --sparsity {zeros} --threshold-scope global",
            plain("ste")
        );
        all.push(setting(format!("ste-{percent}-global"), arguments));
    }
    all.push(setting("twn", plain("twn")));
    // With fewer zeros more gradients meet in each scale.
    all.push(setting(
        "ttq",
        plain("ttq").replace(TERNARY_TTQ, "--ternary-lr 0.01"),
    ));
    all
}

/// Figure 3, the scope of Δ, Eq. 13, λ: one change each of `hla-80`.
fn choices(scale: &Scale) -> Vec<Setting> {
    let global = "--threshold-scope global --threshold-start 0.81";
    let changes = [
        ("s-alpha", format!("{global} --rescale alpha")),
        ("s-none", format!("{global} --rescale none")),
        (
            "layer",
            "--threshold-scope layer --threshold-start 0.81".to_owned(),
        ),
        (
            "symmetric",
            format!("{global} --threshold-gradient symmetric"),
        ),
        ("fixed", format!("{global} --threshold fixed")),
        ("no-loss", format!("{global} --lambda 0")),
        ("lambda-1", format!("{global} --lambda 1")),
        ("project", format!("{global} --sphere project")),
    ];
    changes
        .map(|(name, change)| setting(format!("hla-80-{name}"), hla(scale, &change)))
        .into()
}

/// Table 4: stage 1 alone, at one t.
fn cosines(scale: &Scale) -> Vec<Setting> {
    let at = |t: f64, rest: &str| {
        let epochs = scale.more / 2;
        format!(
            "--quantizer hla --threshold-scope layer --lr 0.05 --t1 {t} --t2 {t} --t2-inclusive \
             --epochs-per-t {epochs} --ternary-epochs 0 --threshold-start {t} {rest}"
        )
    };
    let mut all = vec![
        setting("cosine-off", at(0.7, "--lambda 0 --sphere off")),
        setting("cosine-sphere", at(0.7, "--lambda 0")),
    ];
    all.extend([0.5, 0.7, 0.9, 0.95].map(|t| setting(format!("cosine-{t}"), at(t, "--lambda 10"))));
    all
}

/// Table 3: where Δ̄ starts against the schedule of Δ.
fn starts(scale: &Scale) -> Vec<Setting> {
    let stage_2 = scale.more - STAGE_1;
    let mut all = Vec::new();
    for start in [0.7, 0.65, 0.6] {
        let start_at = format!("--threshold-scope global --threshold-start {start}");
        for t in [0.5, 0.7, 0.9] {
            let arguments = format!(
                "--quantizer hla {TERNARY} --lr 0.05 {LAMBDA} --t1 {t} --t2 {t} --t2-inclusive \
                 --epochs-per-t {STAGE_1} --ternary-epochs {stage_2} {start_at}"
            );
            all.push(setting(format!("grid-{start}-{t}"), arguments));
        }
        all.push(setting(format!("grid-{start}-grow"), hla(scale, &start_at)));
    }
    all
}

/// HLA with these options besides; its own λ if they hold one.
fn hla(scale: &Scale, rest: &str) -> String {
    let lambda = if rest.contains("--lambda") {
        ""
    } else {
        LAMBDA
    };
    let stage_2 = scale.more - STAGE_1;
    format!("--quantizer hla {TERNARY} {STAGE} {lambda} --ternary-epochs {stage_2} {rest}")
}

fn setting(name: impl Into<String>, arguments: String) -> Setting {
    (name.into(), arguments)
}

/// All runs: the settings that others are compared with first, and seed by seed within each table.
pub fn runs(scale: &Scale, seeds: u64) -> Vec<Run> {
    let run = |seed, (setting, arguments): &Setting| Run {
        setting: setting.clone(),
        seed,
        begins_with: (setting != "start").then(|| format!("start.{seed}")),
        arguments: format!("{arguments} {COMMON}")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    };
    let tables = [
        methods(scale),
        cosines(scale),
        choices(scale),
        starts(scale),
    ];
    let of = |settings: &Vec<Setting>| -> Vec<Run> {
        (0..seeds)
            .flat_map(|seed| settings.iter().map(move |s| run(seed, s)))
            .collect()
    };
    tables.iter().flat_map(of).collect()
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
            let phases = if fixed { 1 } else { STAGE_1 };
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
