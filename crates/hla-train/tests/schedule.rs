//! Learning rates against PyTorch's.

use hla_train::schedule::Schedule;
use serde_json::Value;

#[test]
fn warm_restarts_are_those_of_pytorch() {
    let cases: Value = serde_json::from_str(include_str!("fixtures/sgdr.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let schedule = Schedule::Restarts {
            period: number("period") as u32,
            factor: number("factor") as u32,
        };
        let rates = case["rates"].as_array().unwrap();
        assert_eq!(rates.len(), 100);
        for (step, rate) in rates.iter().enumerate() {
            let time = step as f64 / 4.0;
            let ours = schedule.rate(number("base"), number("least"), time, 25.0);
            let theirs = rate.as_f64().unwrap();
            assert!(
                (ours - theirs).abs() < 1e-12,
                "{schedule} at {time}: {ours} {theirs}"
            );
        }
    }
}
