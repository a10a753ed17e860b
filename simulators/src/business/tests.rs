use super::*;
use std::collections::BTreeSet;

fn args(seed: u64) -> BusinessArgs {
    BusinessArgs { seed, months: 6, volume: 1, plants: 2, out: PathBuf::new() }
}

#[test]
fn a_seed_gives_the_same_files_and_another_seed_others() {
    let (one, again, other) = (make(&args(3)).lines(), make(&args(3)).lines(), make(&args(4)).lines());
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
}

#[test]
fn every_rule_has_planted_risks() {
    let (facts, labels) = make(&BusinessArgs { months: 12, ..args(1) }).lines();
    assert!(facts.len() > 20_000, "{}", facts.len());
    let rule =
        |line: &String| serde_json::from_str::<serde_json::Value>(line).ok()?["rule"].as_str().map(str::to_owned);
    let rules: BTreeSet<String> = labels.iter().filter_map(rule).collect();
    assert_eq!(rules.len(), 66, "{rules:?}");
}
