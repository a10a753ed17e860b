//! `gateway evaluate levels`: official alert levels from a bulletin whose cells are dirty.
//!
//! A cell's number is what is left when everything that is not part of a number is stripped (`2408.5 ft`,
//! `&nbsp;`). A row counts when it has a level and blue < orange < red; its state is the highest limit
//! that the level has reached. Nothing is converted: within a row level and limits share their unit.

use super::Verdict;
use super::table::Table;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Arguments of `evaluate levels`.
#[derive(Debug, clap::Args)]
pub struct LevelsArgs {
    /// CSV of the bulletins.
    #[arg(long)]
    series: PathBuf,
    /// Column of the dam's name.
    #[arg(long, default_value = "dam")]
    name: String,
    /// Column of the level.
    #[arg(long, default_value = "level")]
    level: String,
    /// Columns of the limits blue, orange, red.
    #[arg(long, value_delimiter = ',', default_values = ["blue_level", "orange_level", "red_level"])]
    limits: Vec<String>,
    /// A bar: counts of normal, blue, orange, red.
    #[arg(long, value_delimiter = ',')]
    expect: Vec<u64>,
}

const STATES: [&str; 4] = ["normal", "blue", "orange", "red"];

/// Runs it.
pub(super) fn evaluate(args: &LevelsArgs) -> anyhow::Result<Verdict> {
    let table = Table::read(&args.series)?;
    let (name, level) = (table.index(&args.name)?, table.index(&args.level)?);
    let limits = args.limits.iter().map(|limit| table.index(limit)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut counts = [0_u64; 4];
    let mut by_dam: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    let mut spellings: BTreeSet<String> = BTreeSet::new();
    let (mut without_level, mut without_limits, mut unordered) = (0_u64, 0_u64, 0_u64);
    for (_, row) in table.rows() {
        let cell = |index: usize| number(row.get(index).unwrap_or_default());
        let spelled = row.get(name).unwrap_or_default();
        spellings.insert(spelled.to_owned());
        let found: Vec<f64> = limits.iter().filter_map(|limit| cell(*limit)).collect();
        let Some(level) = cell(level) else {
            without_level += 1;
            continue;
        };
        if found.len() < limits.len() {
            without_limits += 1;
        } else if found.windows(2).any(|pair| pair[0] >= pair[1]) {
            unordered += 1;
        } else {
            let state = found.iter().filter(|limit| level >= **limit).count().min(3);
            counts[state] += 1;
            by_dam.entry(plain_name(spelled)).or_default()[state] += 1;
        }
    }
    for (dam, counts) in &by_dam {
        let counts: serde_json::Map<_, _> =
            STATES.iter().zip(counts).map(|(s, n)| ((*s).to_owned(), json!(n))).collect();
        println!("{}", json!({ "dam": dam, "counts": counts }));
    }
    let names: BTreeSet<String> = spellings.iter().map(|spelled| plain_name(spelled)).collect();
    println!(
        "{}",
        json!({ "rows": table.rows().len(), "counted": counts.iter().sum::<u64>(), "normal": counts[0], "blue": counts[1],
            "orange": counts[2], "red": counts[3], "without_level": without_level, "without_limits": without_limits,
            "limits_not_ordered": unordered, "spellings": spellings.len(), "dams": names.len() })
    );
    eprintln!(
        "{:>8} {:>8} {:>8} {:>8}\n{:>8} {:>8} {:>8} {:>8}",
        "normal", "blue", "orange", "red", counts[0], counts[1], counts[2], counts[3]
    );
    eprintln!(
        "{} rows, {without_level} without level, {without_limits} without limits, {unordered} with limits out of order; {} dams under {} spellings",
        table.rows().len(),
        names.len(),
        spellings.len()
    );
    Ok(Verdict::of(args.expect.is_empty() || args.expect == counts))
}

/// The number of a dirty cell: digits, one point, a leading minus; `None` when none is left.
fn number(text: &str) -> Option<f64> {
    let kept: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.' || *c == '-').collect();
    kept.parse().ok()
}

/// A name without what differs between spellings of one dam: entities, case, spaces, punctuation.
fn plain_name(text: &str) -> String {
    let text = text.replace("&nbsp;", " ").to_uppercase();
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_dirty_cells_and_nowhere_else() {
        assert_eq!(number("2408.5 ft"), Some(2408.5));
        assert_eq!(number("&nbsp;"), None);
        assert_eq!(number(" 168.00&nbsp;m"), Some(168.0));
        assert_eq!(number(""), None);
        assert_eq!(plain_name("KAKKI (ANATHODE )"), plain_name("Kakki (Anathode)&nbsp;"));
    }
}
