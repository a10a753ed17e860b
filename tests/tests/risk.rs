//! Business rules from outside: the shipped rules hold their test cases, and find what was planted in
//! simulated feeds.

use anyhow::Result;
use minewatch_tests::process::{binary, run, scratch};
use std::process::Command;

#[test]
fn the_shipped_rules_hold_their_test_cases() -> Result<()> {
    let said = run(Command::new(binary("aggregator")?).args(["rules", "check"]))?;
    assert!(said.contains("66 rules") && said.contains(" 0 problems"), "{said}");
    Ok(())
}

#[test]
fn planted_risks_are_found_and_clean_business_is_left_alone() -> Result<()> {
    let folder = scratch("risk-score")?;
    let out = folder.display().to_string();
    let mut feeds = Command::new(binary("simulator")?);
    run(feeds.args(["business", "--seed", "7", "--months", "8", "--plants", "2", "--out", &out]))?;
    let (facts, labels) = (format!("{out}/facts.jsonl"), format!("{out}/labels.jsonl"));
    let mut score = Command::new(binary("aggregator")?);
    score.args(["rules", "backtest", "shipped", "--from", "2025-07-01", "--to", "2027-01-01", "--bar", "99,95"]);
    let said = run(score.args(["--facts", &facts, "--labels", &labels]))?;
    let scored = said.lines().filter(|line| line.contains(" 100.0 ")).count();
    assert!(scored >= 60, "{said}");
    Ok(())
}
