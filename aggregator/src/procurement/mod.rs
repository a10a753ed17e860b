//! `aggregator procurement`: red flags over files of contracting processes, in batch.
//!
//! Invariant: a line that cannot be read costs that line, is named with its number and reason, and
//! is counted; memory is bounded by one line and by what the indicators keep per organisation.
//! Deliberately absent: the store and the network; what an indicator means (`models/risk`).

mod lines;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use lines::{LINE_BYTES_MAX, Line, Lines};
use minewatch_risk::procurement::ocds::{Folded, RedFlags, Settings};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Bytes read at once.
const BUFFER: usize = 1 << 20;
/// Lines refused that are shown one by one; the rest is only counted.
const REFUSALS_SHOWN_MAX: u64 = 1_000;

/// Procurement in batch.
#[derive(Debug, Subcommand)]
pub enum Procurement {
    /// Red flags over OCDS compiled releases, one a line.
    Flags(Flags),
}

/// Arguments of `procurement flags`.
#[derive(Debug, Args)]
pub struct Flags {
    /// JSON Lines file of compiled releases; `-` for standard input.
    file: PathBuf,
    /// Settings, ini; a section switches its indicator on. Without it no indicator runs.
    #[arg(short, long)]
    settings: Option<PathBuf>,
    /// Print the number of results per group to standard error.
    #[arg(short, long)]
    count: bool,
    /// Leave quartiles and fences out of the result.
    #[arg(long)]
    no_meta: bool,
    /// Include which organisations stand behind each process.
    #[arg(long)]
    map: bool,
}

/// Runs a command of this group.
///
/// # Errors
/// When the settings or the file cannot be read, or no line of it can.
pub fn run(command: &Procurement) -> Result<()> {
    let Procurement::Flags(flags) = command;
    let settings = settings(flags.settings.as_deref())?;
    if flags.file.as_os_str() == "-" {
        return report(flags, settings, io::stdin().lock());
    }
    let file = File::open(&flags.file).with_context(|| flags.file.display().to_string())?;
    report(flags, settings, BufReader::with_capacity(BUFFER, file))
}

fn settings(file: Option<&Path>) -> Result<Settings> {
    let Some(file) = file else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Settings::parse(&text).map_err(|problems| {
        let said: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", file.display())).collect();
        anyhow::anyhow!("{}", said.join("\n"))
    })
}

fn report(flags: &Flags, settings: Settings, input: impl BufRead) -> Result<()> {
    let mut found = RedFlags::new(settings, flags.map);
    let seen = fold(&mut found, input)?;
    if seen.refused > 0 || found.foreign_currency_bids() > 0 {
        eprintln!(
            "{} lines: {} processes taken, {} left out (no ocid, cancelled or excluded), {} refused; {} bids in another currency",
            seen.lines,
            seen.taken,
            seen.left_out,
            seen.refused,
            found.foreign_currency_bids()
        );
    }
    if seen.refused > 0 && seen.taken + seen.left_out == 0 {
        bail!("no line of {} could be read", flags.file.display());
    }
    let mut report = found.finish();
    if flags.no_meta {
        report = report.without_meta();
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, &report)?;
    writeln!(out)?;
    out.flush()?;
    if flags.count {
        for (group, indicator, count) in report.counts() {
            eprintln!("{group} {indicator:?}: {count}");
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Seen {
    lines: u64,
    taken: u64,
    left_out: u64,
    refused: u64,
}

impl Seen {
    fn refuse(&mut self, why: impl std::fmt::Display) {
        self.refused += 1;
        match self.refused {
            shown if shown <= REFUSALS_SHOWN_MAX => eprintln!("line {}: {why}; left out", self.lines),
            next if next == REFUSALS_SHOWN_MAX + 1 => eprintln!("further refused lines are only counted"),
            _ => {}
        }
    }
}

fn fold(found: &mut RedFlags, input: impl BufRead) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next().context("reading")? {
        seen.lines += 1;
        match line {
            Line::TooLong => seen.refuse(format_args!("longer than {LINE_BYTES_MAX} bytes")),
            Line::Whole(bytes) => match found.fold(bytes) {
                Ok(Folded::Taken) => seen.taken += 1,
                Ok(Folded::LeftOut) => seen.left_out += 1,
                Ok(Folded::Blank) => {}
                Err(error) => seen.refuse(format_args!("not JSON: {error}")),
            },
        }
    }
    Ok(seen)
}
