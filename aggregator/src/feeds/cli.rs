//! `aggregator feed`: look at a document without a store; read the quarantine again.

use super::document::Intake;
use super::settings::read_mapping;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::Store;
use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use minewatch_feed::bytes::Encoding;
use minewatch_feed::facts::{Context, Out};
use minewatch_feed::reader::{Wanted, read};
use minewatch_feed::sniff::{self, Format};
use minewatch_feed::{Gravity, Problem};
use minewatch_risk::fact::{Fact, to_plain};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// Business feeds.
#[derive(Debug, Subcommand)]
pub enum Feed {
    /// Show what a document would become, and everything wrong with it. Exit code: 0 all of it is
    /// taken (doubts are marks), 1 records are refused, 2 the document or the mapping is.
    Inspect(Inspect),
    /// Read a document in quarantine again, with today's settings. Exit code as of inspect.
    Replay(Replay),
}

/// Arguments of `feed inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The document; `-` for standard input.
    file: PathBuf,
    /// camt, pain, mt940 or ocds; told from the content when absent.
    #[arg(long = "as")]
    format: Option<String>,
    /// Mapping file, for tables (CSV, TSV, JSON, JSON Lines, XML).
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// utf-8, gb18030, utf-16, windows-1252; told from the content when absent.
    #[arg(long, default_value = "auto")]
    encoding: String,
    /// Zone of times without one.
    #[arg(long, default_value = "Asia/Shanghai")]
    zone: String,
    /// Facts and problems as JSON lines.
    #[arg(long)]
    json: bool,
    /// Facts shown; all are counted.
    #[arg(long, default_value_t = 20)]
    limit: u64,
}

/// Arguments of `feed replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The feed.
    feed: String,
    /// SHA-256 of the document, as the quarantine shows it.
    sha256: String,
    /// Settings, TOML.
    #[arg(long)]
    config: PathBuf,
}

/// Runs a command of this group.
pub fn command(command: &Feed) -> ExitCode {
    let outcome = match command {
        Feed::Inspect(arguments) => inspect(arguments),
        Feed::Replay(arguments) => replay(arguments),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("aggregator: {error:#}");
            ExitCode::from(2)
        },
        ExitCode::from,
    )
}

fn wanted(arguments: &Inspect, head: &[u8], context: &Context) -> Result<Wanted> {
    let encoding = Encoding::from_name(&arguments.encoding)
        .ok_or_else(|| anyhow!("encoding {:?} is not known", arguments.encoding))?;
    if let Some(file) = &arguments.mapping {
        let mapping =
            read_mapping(file, &context.dictionary).map_err(|why| anyhow!("{}: {}", file.display(), why.join("\n")))?;
        return Ok(Wanted::Mapped(Box::new(mapping)));
    }
    let format = match &arguments.format {
        Some(name) => Format::from_name(name).filter(|format| *format != Format::Mapped),
        None => sniff::format(head),
    };
    let format = format.ok_or_else(|| {
        anyhow!("not a format that is known by itself: give --as camt|pain|mt940|ocds, or --mapping FILE")
    })?;
    Ok(Wanted::Format(format, encoding))
}

#[derive(Debug, Default)]
struct Seen {
    facts: u64,
    marks: u64,
    refused: u64,
    broken: u64,
}

impl Seen {
    fn code(&self) -> u8 {
        match (self.broken, self.refused) {
            (1.., _) => 2,
            (0, 1..) => 1,
            (0, 0) => 0,
        }
    }
}

fn inspect(arguments: &Inspect) -> Result<u8> {
    let zone = TimeZone::get(&arguments.zone).with_context(|| format!("zone {}", arguments.zone))?;
    let context = Context::bare(&arguments.file.display().to_string(), zone);
    let mut input: Box<dyn BufRead> = match arguments.file.as_os_str() == "-" {
        true => Box::new(BufReader::with_capacity(BUFFER, io::stdin().lock())),
        false => {
            let file = File::open(&arguments.file).with_context(|| arguments.file.display().to_string())?;
            Box::new(BufReader::with_capacity(BUFFER, file))
        }
    };
    let wanted = wanted(arguments, input.fill_buf()?, &context)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut seen = Seen::default();
    for item in read(input, wanted, context) {
        match item {
            Out::Fact(fact) => {
                seen.facts += 1;
                if seen.facts <= arguments.limit {
                    show_fact(&mut out, &fact, arguments.json)?;
                }
            }
            Out::Problem(problem) => {
                match problem.gravity {
                    Gravity::Mark => seen.marks += 1,
                    Gravity::Record => seen.refused += 1,
                    Gravity::Document => seen.broken += 1,
                }
                show_problem(&mut out, &problem, arguments.json)?;
            }
        }
    }
    out.flush()?;
    let taken = if seen.broken > 0 { "nothing would be taken" } else { "taken" };
    eprintln!(
        "{} facts ({taken}), {} marks, {} records refused, {} faults of the document",
        seen.facts, seen.marks, seen.refused, seen.broken
    );
    Ok(seen.code())
}

fn show_fact(out: &mut impl Write, fact: &Fact, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", to_plain(fact));
    }
    let fields: Vec<String> = fact.fields.iter().map(|(id, value)| format!("{id}={}", value.plain())).collect();
    writeln!(out, "{} {} [{}] {}", fact.kind, fact.key, fact.lineage.locator, fields.join(" "))
}

fn show_problem(out: &mut impl Write, problem: &Problem, json: bool) -> io::Result<()> {
    if json {
        let told = json!({ "line": problem.place.line, "place": problem.place.to_string(), "fault": problem.fault.name(),
            "gravity": problem.gravity.name(), "why": problem.why, "raw": problem.raw });
        return writeln!(out, "{told}");
    }
    writeln!(out, "! {problem}")
}

fn replay(arguments: &Replay) -> Result<u8> {
    let config = Config::load(Some(&arguments.config)).map_err(|problems| anyhow!("{}", problems.join("\n")))?;
    let feeds = config.feeds.clone().ok_or_else(|| anyhow!("the settings have no [feeds]"))?;
    let feed =
        feeds.feed(&arguments.feed).cloned().ok_or_else(|| anyhow!("no feed {:?} in the settings", arguments.feed))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.store).await.context("store")?;
        let intake = Intake::new(store.clone(), feeds, Metrics::new());
        let report = intake.replay(&feed, &arguments.sha256).await?;
        store.close().await;
        let report =
            report.ok_or_else(|| anyhow!("no bytes are kept of {} in {}", arguments.sha256, arguments.feed))?;
        println!("{}", super::push::told(&report));
        Ok(match report.verdict {
            super::Verdict::Taken | super::Verdict::Duplicate => 0,
            super::Verdict::Partial => 1,
            super::Verdict::Refused => 2,
        })
    })
}
