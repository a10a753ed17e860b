//! Tampering with the audit trail is found, also by who has the database but not the key.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::people::{found, grant};
use minewatch_tests::process::{binary, run, scratch};
use minewatch_tests::wait::{eventually, when};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What `verify-audit` prints, and whether it was content.
fn verify(arguments: &[&str]) -> Result<(bool, Value)> {
    let output = Command::new(binary("aggregator")?).arg("verify-audit").args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.success(), serde_json::from_str(&text).with_context(|| format!("{text}{error}"))?))
}

fn whats(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
    findings.iter().filter_map(|finding| finding["what"].as_str()).collect()
}

/// Changes the database as its owner may: triggers are no obstacle to somebody with the file.
fn tamper(database: &Path, statement: &str) -> Result<()> {
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
        for t in [r[0] for r in c.execute(\"SELECT name FROM sqlite_master WHERE type='trigger'\")]: c.execute('DROP TRIGGER ' + t)\n\
        c.executescript(sys.argv[2])\nc.commit()\n";
    run(Command::new("python3").args(["-c", script]).arg(database).arg(statement))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_a_deletion_and_a_cut_tail_are_found() -> Result<()> {
    let folder = scratch("audit-tamper")?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    for person in ["li.wei", "wang.fang", "zhao.min"] {
        chief.hire(person, json!([grant("operator", "group/company/mine")])).await?;
    }
    let report = chief.done("GET", "/api/v1/audit/verify", None).await?;
    ensure!(report["found"] == 0 && report["entries"].as_u64() > Some(10), "{report}");
    let export = chief.done("GET", "/api/v1/audit/export", None).await?;
    let export = export.as_str().context("lines")?;
    fs::write(folder.join("export.ndjson"), export)?;
    let last = i64::try_from(export.lines().count())?;
    let head = folder.join("audit-key.head.json");
    eventually("the newest head is signed", Duration::from_secs(20), async || {
        let signed: Value = serde_json::from_str(&fs::read_to_string(&head)?)?;
        Ok(when(signed["seq"].as_i64() >= Some(last), signed))
    })
    .await?;
    aggregator.program().stop(Duration::from_secs(15))?;

    let config = aggregator.config().display().to_string();
    let (content, report) = verify(&["--config", &config])?;
    ensure!(content && report["signed_seq"].as_i64() >= Some(last), "untouched: {report}");
    let database = aggregator.data().join("minewatch.db");
    let kept = fs::read(&database)?;
    ensure!(!aggregator.data().join("minewatch.db-wal").exists(), "the store was closed");
    let tampered = [
        ("UPDATE audit SET person = 'nobody' WHERE seq = 4", "edited"),
        ("UPDATE audit SET detail = '{}' WHERE seq = 5", "edited"),
        ("DELETE FROM audit WHERE seq = 6", "missing"),
        (
            "DELETE FROM audit WHERE seq > 7; UPDATE audit_head SET seq = 7, hash = (SELECT hash FROM audit WHERE seq = 7)",
            "tail_cut",
        ),
        ("DELETE FROM audit; UPDATE audit_head SET seq = 0, hash = printf('%064d', 0)", "tail_cut"),
    ];
    for (statement, wanted) in tampered {
        tamper(&database, statement)?;
        let (content, report) = verify(&["--config", &config])?;
        ensure!(!content && whats(&report).contains(&wanted), "{statement}: {report}");
        fs::write(&database, &kept)?;
    }
    ensure!(verify(&["--config", &config])?.0, "put back");
    of_exports(&folder, export, &config)
}

/// The same on an export, without the store: against the head and the public key that went out.
fn of_exports(folder: &Path, export: &str, config: &str) -> Result<()> {
    let file = folder.join("export.ndjson").display().to_string();
    let head = folder.join("audit-key.head.json").display().to_string();
    let key = fs::read_to_string(folder.join("audit-key.pub"))?;
    ensure!(verify(&["--config", config, "--export", &file])?.0, "the whole export");
    let (content, report) = verify(&["--config", config, "--export", &file, "--head", &head, "--key", "AAAA"])?;
    ensure!(!content && whats(&report).contains(&"bad_signature"), "{report}");
    let edited = export.replacen("person.create", "person.creatE", 1);
    let cut: String = export.lines().take(5).map(|line| format!("{line}\n")).collect();
    for (text, wanted) in [(edited, "edited"), (cut, "tail_cut")] {
        fs::write(&file, text)?;
        let (content, report) = verify(&["--config", config, "--export", &file, "--head", &head, "--key", key.trim()])?;
        ensure!(!content && whats(&report).contains(&wanted), "{report}");
    }
    Ok(())
}
