//! Alert rules and dashboards name only metrics we have, and name the same runbooks we ship.

use anyhow::{Result, ensure};
use minewatch_tests::process::repository;
use minewatch_tests::scene::{Plan, Scene};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Every `minewatch_…` name in a text.
fn names(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.match_indices("minewatch_")
        .filter(|(at, _)| !text[..*at].ends_with(letter))
        .map(|(at, _)| text[at..].chars().take_while(|c| letter(*c)).collect())
        .collect()
}

#[test]
fn names_are_found_where_they_stand() {
    let found = names("rate(minewatch_a_total[5m]) > minewatch_b{x=\"y\"} and my_minewatch_c");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["minewatch_a_total", "minewatch_b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_rules_and_dashboards_is_one_of_ours() -> Result<()> {
    let scene = Scene::start(&Plan::small("monitoring")).await?;
    scene.wait_reads(2).await?;
    let page = format!("http://127.0.0.1:{}/metrics", scene.site.http_port);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
    let site = client.get(page).send().await?.text().await?;
    let mut known = names(&scene.api().metrics().await?);
    known.extend(names(&site));
    ensure!(known.len() > 40, "only {known:?}");
    let manual = fs::read_to_string(repository().join("docs/operations.md"))?;
    let mut named = 0;
    let mut strange = Vec::new();
    for entry in fs::read_dir(repository().join("deploy/monitoring"))? {
        let path = entry?.path();
        for name in names(&fs::read_to_string(&path)?) {
            named += 1;
            // OpenMetrics describes a counter by its name without `_total`. One with labels is only there
            // after its first value, so the manual is believed; the certificate's only with a certificate.
            let base = name.strip_suffix("_total").unwrap_or(&name);
            let short = name.trim_start_matches("minewatch_aggregator_");
            let here = known.contains(&name) || known.contains(base) || manual.contains(&format!("`{short}{{"));
            if !here && name != "minewatch_gateway_certificate_seconds" {
                strange.push(format!("{}: {name}", path.display()));
            }
        }
    }
    ensure!(named > 30, "only {named} names: this test looked at nothing");
    ensure!(strange.is_empty(), "no such metric:\n{}\nknown: {known:?}", strange.join("\n"));
    let rules = fs::read_to_string(repository().join("deploy/monitoring/alerts.yml"))?;
    let runbooks: Vec<&str> =
        rules.split("runbook: ").skip(1).filter_map(|rest| rest.split([' ', '}']).next()).collect();
    ensure!(runbooks.len() > 15, "{runbooks:?}");
    for runbook in runbooks {
        ensure!(repository().join(runbook).is_file(), "{runbook} is not there");
    }
    Ok(())
}
