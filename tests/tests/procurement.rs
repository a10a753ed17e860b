//! `aggregator procurement flags` against the public fixtures of `cardinal`, and against input
//! that is broken on purpose.

use anyhow::{Context, Result, ensure};
use minewatch_tests::process::{binary, repository, scratch};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The reference data beside the repository; `None`, said aloud, when it is not there.
fn shared(path: &str) -> Option<PathBuf> {
    let folder = repository().parent()?.join("shared/data/business").join(path);
    if !folder.exists() {
        println!("skipped: ../shared/data/business/{path} is not there");
        return None;
    }
    Some(folder)
}

fn flags(file: &Path, settings: &Path, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary("aggregator")?);
    Ok(command.args(["procurement", "flags"]).arg(file).arg("--settings").arg(settings).args(more).output()?)
}

fn answer(file: &Path, settings: &Path) -> Result<Value> {
    let output = flags(file, settings, &["--no-meta"])?;
    ensure!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The settings a fixture's name stands for: `Rxxx`, `Rxxx-field-value`, `Rxxx-field-k-v-k-v`;
/// a single word behind the code sets nothing.
fn settings_of(name: &str) -> String {
    let mut parts = name.split('-');
    let code = parts.next().unwrap_or_default();
    let mut text = format!(
        "no_price_comparison_procurement_methods = NPC\n[exclusions]\nprocurement_method_details = EXC\n[{code}]\n"
    );
    let rest: Vec<String> = parts.map(|part| part.replace('+', "|")).collect();
    if let [field, value] = rest.as_slice() {
        text += &format!("{field} = {value}\n");
    } else if rest.len() > 2 {
        text += &format!("[{code}.{}]\n", rest[0]);
        text.extend(
            rest[1..].chunks(2).filter(|pair| pair.len() == 2).map(|pair| format!("{} = {}\n", pair[0], pair[1])),
        );
    }
    text
}

#[test]
fn every_published_fixture_of_the_peer_gives_the_published_answer() -> Result<()> {
    let Some(folder) = shared("ocds_fixtures/indicators") else { return Ok(()) };
    let scratch = scratch("procurement-fixtures")?;
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&folder)? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        seen += 1;
        let name = file.file_stem().and_then(|stem| stem.to_str()).context("a name")?;
        let settings = scratch.join(format!("{name}.ini"));
        fs::write(&settings, settings_of(name))?;
        let expected: Value = serde_json::from_slice(&fs::read(file.with_extension("expected"))?)?;
        let found = answer(&file, &settings)?;
        if found != expected {
            wrong.push(format!("{name}: {found} instead of {expected}"));
        }
    }
    println!("{} of {seen} fixtures give the published answer", seen - wrong.len());
    ensure!(seen >= 15, "only {seen} fixtures seen");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_examples_of_the_peers_documentation_give_what_stands_there() -> Result<()> {
    let Some(folder) = shared("ocds_fixtures/docs_examples") else { return Ok(()) };
    let expected = [
        ("R/018", "settings", json!({ "OCID": { "F": { "R018": 1.0 } } })),
        (
            "R/028",
            "settings",
            json!({ "OCID": { "F": { "R028": 1.0 } }, "Tenderer": { "D": { "R028": 1.0 }, "V": { "R028": 1.0 } } }),
        ),
        ("R/036", "settings", json!({ "OCID": { "F": { "R036": 1.0 } } })),
        ("R/038", "settings", json!({ "Buyer": { "B": { "R038": 0.5 } } })),
        ("R/048", "R/048", json!({ "Tenderer": { "F": { "R048": 2.0 } } })),
    ];
    for (file, settings, expected) in expected {
        let (file, settings) = (folder.join(format!("{file}.jsonl")), folder.join(format!("{settings}.ini")));
        let found = answer(&file, &settings)?;
        ensure!(found == expected, "{}: {found} instead of {expected}", file.display());
    }
    Ok(())
}

#[test]
fn real_releases_load_and_every_line_that_does_not_is_named() -> Result<()> {
    let Some(file) = shared("ocds_real_samples.jsonl") else { return Ok(()) };
    let settings = scratch("procurement-real")?.join("all.ini");
    fs::write(&settings, "[R003]\n[R018]\n[R024]\n[R025]\n[R028]\n[R030]\n[R035]\n[R036]\n[R038]\n[R048]\n[R058]\n")?;
    let output = flags(&file, &settings, &["--map"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    serde_json::from_slice::<Value>(&output.stdout).context("the answer is JSON")?;
    ensure!(!said.contains("left out\n") || said.contains("line "), "a refusal without its line: {said}");
    Ok(())
}

#[test]
fn broken_lines_cost_themselves_only_and_wrong_settings_are_all_named() -> Result<()> {
    let scratch = scratch("procurement-broken")?;
    let (file, settings) = (scratch.join("lines.jsonl"), scratch.join("some.ini"));
    let good = |ocid: &str| {
        format!("{{\"ocid\":\"{ocid}\",\"tender\":{{\"numberOfTenderers\":1,\"procurementMethod\":\"open\"}}}}")
    };
    let mut bytes = format!("\u{feff}{}\n{{\"ocid\":\n\n", good("first")).into_bytes();
    bytes.extend_from_slice(b"{\"ocid\":\"\xff\xfe\"}\n");
    bytes.extend_from_slice(good("last").as_bytes());
    fs::write(&file, bytes)?;
    fs::write(&settings, "[R018]\n")?;
    let output = flags(&file, &settings, &["--no-meta"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    ensure!(
        said.contains("line 2: not JSON") && said.contains("line 4: not JSON") && said.contains("2 refused"),
        "{said}"
    );
    let found: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(found == json!({ "OCID": { "first": { "R018": 1.0 }, "last": { "R018": 1.0 } } }), "{found}");

    fs::write(&settings, "[R018]\nmethods = open\n[R024]\nthreshold = low\n")?;
    let output = flags(&file, &settings, &[])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "wrong settings were taken");
    ensure!(said.contains("\"methods\"") && said.contains("\"low\""), "{said}");
    Ok(())
}
