//! The dam model from outside: scenarios with truth through `gateway replay`, measured series through
//! `gateway evaluate`. The series lie beside the repository; without them those tests say so and pass.

use anyhow::{Context, Result, ensure};
use minewatch_tests::process::{binary, repository, scratch};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the second version of the dam file has besides: forecasts of the movement at depth, every six hours.
const FORECAST: &str = "\n[[forecast]]\npoint = \"incl-1\"\nevery_min = 360\n";

/// Exports a case and replays it through its dam file and one that forecasts too; exit code and the lines
/// of standard output.
fn replayed(name: &str, export: &[&str]) -> Result<(Option<i32>, Vec<Value>)> {
    let folder = scratch(name)?;
    let mut simulator = Command::new(binary("simulator")?);
    simulator.args(["world", "export"]).args(export).arg("--out").arg(&folder);
    let exported = simulator.output()?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let mut gateway = Command::new(binary("gateway")?);
    let against = folder.join("against.toml");
    std::fs::write(&against, std::fs::read_to_string(folder.join("dam.toml"))? + FORECAST)?;
    gateway.arg("replay").arg("--dam").arg(folder.join("dam.toml")).arg("--against").arg(against);
    gateway.arg("--series").arg(folder.join("series.csv")).arg("--truth").arg(folder.join("truth.json"));
    lines(&mut gateway)
}

fn lines(command: &mut Command) -> Result<(Option<i32>, Vec<Value>)> {
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let parsed = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    Ok((output.status.code(), parsed.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?))
}

fn summaries(lines: &[Value]) -> Vec<&Value> {
    lines.iter().map(|line| &line["summary"]).filter(|summary| summary.is_object()).collect()
}

#[test]
fn a_failure_in_72_hours_is_orange_a_day_before_and_two_versions_stand_side_by_side() -> Result<()> {
    let (code, lines) = replayed("dam-f1", &["--scenario", "F1", "--seed", "7"])?;
    let found = summaries(&lines);
    assert_eq!((code, found.len()), (Some(0), 2), "{found:?}");
    assert!(found[0]["lead_h"].as_f64().is_some_and(|lead| lead >= 24.0), "{}", found[0]);
    assert_eq!((&found[0]["missed"], &found[0]["false"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(found[0]["forecasts"], Value::from(Vec::<Value>::new()), "the first version forecasts nothing");
    let notes: Vec<&Value> = lines.iter().map(|line| &line["forecast"]).filter(|note| note.is_object()).collect();
    let reason = notes.first().context("a forecast")?;
    assert_ne!(reason["code"], "FAILURE", "quiet days first: {reason}");
    assert!(reason["en"].as_str().is_some_and(|text| text.contains("does not mean that the dam is safe")), "{reason}");
    // 240 hours after the start of every case, 2026-01-01T00:00:00Z.
    let failure_us = (1_767_225_600 + 240 * 3_600) * 1_000_000_i64;
    let stated = notes.iter().rev().find_map(|note| note["failure_us"].as_i64()).context("a failure time")?;
    assert!((stated - failure_us).abs() <= 2 * 3_600_000_000, "{} h off", (stated - failure_us) as f64 / 3.6e9);
    Ok(())
}

#[test]
fn a_jump_of_the_reference_station_is_named_and_makes_no_red() -> Result<()> {
    let (_, lines) = replayed("dam-i2", &["--scenario", "I2", "--seed", "3"])?;
    let found = summaries(&lines);
    assert_eq!(found[0]["first_red"], "-");
    let named = found[0]["faults"].as_array().is_some_and(|faults| faults.iter().any(|f| f["fault"] == "common_mode"));
    assert!(named, "{}", found[0]["faults"]);
    Ok(())
}

#[test]
fn a_bad_line_of_a_history_is_named_and_nothing_is_replayed() -> Result<()> {
    let folder = scratch("dam-bad-line")?;
    std::fs::write(folder.join("series.csv"), "time,point,value\n2026-01-01T00:00:00Z,pond-1,1\nyesterday,pond-1,2\n")?;
    let dam = repository().join("simulators/src/scenario/dam.toml");
    let mut gateway = Command::new(binary("gateway")?);
    gateway.arg("replay").arg("--dam").arg(dam).arg("--series").arg(folder.join("series.csv"));
    let output = gateway.output()?;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("line 3: \"yesterday\" is not a time"), "{text}");
    assert!(output.stdout.is_empty());
    Ok(())
}

/// The folder of measured series, if it is there.
fn data() -> Option<PathBuf> {
    let folder = repository().join("../shared/data/dam");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no measured series at {}", folder.display());
    None
}

fn evaluated(data: &Path, args: &[&str]) -> Result<(Option<i32>, Vec<Value>)> {
    let mut gateway = Command::new(binary("gateway")?);
    let arg = |text: &str| if text.ends_with(".csv") { data.join(text).display().to_string() } else { text.to_owned() };
    gateway.arg("evaluate").args(args.iter().map(|text| arg(text)));
    lines(&mut gateway)
}

#[test]
fn brumadinho_abstains_with_and_without_the_stable_reference() -> Result<()> {
    let Some(data) = data() else { return Ok(()) };
    for series in
        ["brumadinho_insar_dam_crest_desc53_isbaslike.csv", "brumadinho_insar_tailings_upper_desc155_isbaslike.csv"]
    {
        let bare = ["failure", "--series", series, "--expect", "COMMON_MODE,BELOW_NOISE"];
        let against = [&bare[..], &["--stable", "brumadinho_insar_stable_ref_desc155_isbaslike.csv"]].concat();
        for args in [&bare[..], &against] {
            let (code, lines) = evaluated(&data, args)?;
            assert_eq!(code, Some(0), "{lines:?}");
            assert!(
                lines[0]["explained"].as_str().is_some_and(|text| text.contains("does not mean that the dam is safe"))
            );
        }
    }
    Ok(())
}

#[test]
fn the_glaciers_successive_forecasts_overlap() -> Result<()> {
    let Some(data) = data() else { return Ok(()) };
    let args =
        ["failure", "--series", "glacier_maybeunstable_speed_to_day5631.csv", "--every", "1", "--expect-overlap"];
    assert_eq!(evaluated(&data, &args)?.0, Some(0));
    Ok(())
}

#[test]
fn ootang_thirty_days_ahead_beats_standing_still_and_the_line() -> Result<()> {
    let Some(data) = data() else { return Ok(()) };
    let args = [
        "ahead",
        "--series",
        "ootang_landslide_daily_2016-07_2019-06.csv",
        "--values",
        "MJ9,MJ1,MJ3,ATU1,ATU2,ATU3,ATU4,ATU5",
        "--expect-beats",
        "6",
        "--expect-coverage",
        "0.75,0.85",
    ];
    let (code, lines) = evaluated(&data, &args)?;
    assert_eq!(code, Some(0), "{:?}", lines.last());
    Ok(())
}

#[test]
fn keralas_official_levels_and_the_wells_gaps_are_found_in_dirty_files() -> Result<()> {
    let Some(data) = data() else { return Ok(()) };
    let kerala = ["levels", "--series", "kerala_dams_daily_to_2026-03.csv", "--expect", "2814,395,266,749"];
    let (code, lines) = evaluated(&data, &kerala)?;
    assert_eq!(code, Some(0), "{:?}", lines.last());
    let well = [
        "well",
        "--series",
        "brazil_well_30min_level_baro_rain_2022_2024.csv",
        "--manual",
        "brazil_well_manual_readings.csv",
        "--expect-gaps",
        "29",
        "--expect-slope",
        "-0.842",
    ];
    let (code, lines) = evaluated(&data, &well)?;
    assert_eq!(code, Some(0), "{:?}", lines.last());
    Ok(())
}
