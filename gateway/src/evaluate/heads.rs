//! `gateway evaluate heads`: a head model fitted on the first part of a record and tested on the rest.

use super::Verdict;
use super::table::{Clock, Column, Table};
use anyhow::{Context, bail};
use minewatch_dam::heads::{self, Weather};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `evaluate heads`.
#[derive(Debug, clap::Args)]
pub struct HeadsArgs {
    /// CSV: date, head (m).
    #[arg(long)]
    series: PathBuf,
    /// CSV: date and weather, one line a day, from years before the first head on.
    #[arg(long)]
    forcings: PathBuf,
    /// CSV of heads to test on: all of `--series` is fitted then.
    #[arg(long)]
    test: Option<PathBuf>,
    /// Without `--test`: the last so many years of the series are the test.
    #[arg(long, default_value_t = 4.0)]
    test_years: f64,
    /// Column of rain, mm per day.
    #[arg(long, default_value = "rr")]
    rain: String,
    /// Column of potential evapotranspiration, mm per day.
    #[arg(long, default_value = "et")]
    evaporation: String,
    /// Column of the mean temperature, °C; `none`: without snow.
    #[arg(long, default_value = "tg")]
    temperature: String,
    /// A bar: least Nash–Sutcliffe efficiency of the test.
    #[arg(long)]
    nse_min: Option<f64>,
    /// Print the head of every day of the test too.
    #[arg(long)]
    daily: bool,
}

/// Runs it.
pub(super) fn evaluate(args: &HeadsArgs) -> anyhow::Result<Verdict> {
    let (first, weather) = weather(args)?;
    let given = heads_of(&args.series, first)?;
    let last = given.last().context("the series has no head")?.0;
    let (train, test) = match &args.test {
        Some(path) => (given, heads_of(path, first)?),
        None => {
            let cut = last as f64 - args.test_years * 365.25;
            given.into_iter().partition(|(day, _)| *day as f64 <= cut)
        }
    };
    let fitted = heads::fit(&weather, &train)?;
    let simulated = fitted.simulate(&weather);
    let (mut observed, mut predicted, mut inside) = (Vec::new(), Vec::new(), 0);
    for (day, head) in &test {
        let Some(value) = simulated.get(*day) else { bail!("a head of the test lies after the weather") };
        inside += usize::from((head - value).abs() <= fitted.band_m);
        if args.daily {
            let shown = Clock::Calendar.show(first + *day as f64);
            println!("{}", json!({ "day": shown, "head_m": head, "model_m": value, "band_m": fitted.band_m }));
        }
        observed.push(*head);
        predicted.push(*value);
    }
    let nse = heads::nse(&observed, &predicted).context("the test has no head, or all are equal")?;
    let rmse = heads::rmse(&observed, &predicted).context("the test has no head")?;
    let share = inside as f64 / observed.len() as f64;
    println!(
        "{}",
        json!({ "series": args.series.display().to_string(), "fitted": train.len(), "tested": test.len(), "nse": nse,
            "rmse_m": rmse, "fit_rmse_m": fitted.rmse_m, "held_out_nse": fitted.held_out_nse, "band_m": fitted.band_m,
            "inside_band": share })
    );
    eprintln!(
        "fitted on {} heads, tested on {}: NSE {nse:.3}, RMSE {rmse:.3} m; {share:.3} inside ±{:.3} m",
        train.len(),
        test.len(),
        fitted.band_m
    );
    Ok(Verdict::of(args.nse_min.is_none_or(|bar| nse >= bar)))
}

/// First day and the weather of every day; a missing day is refused, because it would move every lag.
fn weather(args: &HeadsArgs) -> anyhow::Result<(f64, Vec<Weather>)> {
    let table = Table::read(&args.forcings)?;
    let mut indices = vec![table.index(&args.rain)?, table.index(&args.evaporation)?];
    if args.temperature != "none" {
        indices.push(table.index(&args.temperature)?);
    }
    let columns = table.columns(0, &indices)?;
    let column = |index: usize| columns.get(index).map(|column: &Column| column.values.as_slice());
    let (rain, evaporation) = (column(0).unwrap_or_default(), column(1).unwrap_or_default());
    let first = rain.first().context("the forcings have no line")?.0.floor();
    let mut weather = Vec::with_capacity(rain.len());
    for (index, ((day, rain), (_, evaporation))) in rain.iter().zip(evaporation).enumerate() {
        if day.floor() != first + index as f64 {
            bail!("{}: line {}: days must follow each other", args.forcings.display(), index + 2);
        }
        let missing =
            || format!("{}: line {}: rain or evapotranspiration is missing", args.forcings.display(), index + 2);
        weather.push(Weather {
            rain_mm: rain.with_context(missing)?,
            evaporation_mm: evaporation.with_context(missing)?,
            temperature_c: column(2).and_then(|values| values.get(index)?.1),
        });
    }
    Ok((first, weather))
}

fn heads_of(path: &std::path::Path, first: f64) -> anyhow::Result<Vec<(usize, f64)>> {
    let table = Table::read(path)?;
    let column = table.columns(0, &[1])?.pop().context("a head column")?;
    let mut heads = Vec::new();
    for (day, head) in column.values {
        let index = day.floor() - first;
        if index < 0.0 {
            bail!("{}: {} lies before the weather", path.display(), Clock::Calendar.show(day));
        }
        if let Some(head) = head {
            heads.push((index as usize, head));
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_the_weather_is_refused_by_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let forcings = file("f.csv", "time,rr,tg,et\n2020-01-01,1,2,0.5\n2020-01-03,1,2,0.5\n");
        let args = HeadsArgs {
            series: file("h.csv", "Date,head\n2020-01-01,1\n"),
            forcings,
            test: None,
            test_years: 4.0,
            rain: "rr".into(),
            evaporation: "et".into(),
            temperature: "tg".into(),
            nse_min: None,
            daily: false,
        };
        let error = weather(&args).expect_err("a hole").to_string();
        assert!(error.contains("line 3: days must follow each other"), "{error}");
    }
}
