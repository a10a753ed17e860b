//! The group's business as feeds see it, with risks planted and labelled: facts as JSON lines, and the
//! label of every risk planted.
//!
//! Invariants: a seed gives the same files for ever; a clean record is clean by construction, a
//! planted one is a risk by construction; the program that judges is not known here. Deliberately
//! absent: the formats of banks and portals (those are read by `models/feed`'s own samples).

mod book;
mod clean;
mod credit;
mod legal;
mod money;
mod procurement;
#[cfg(test)]
mod tests;
mod treasury;

use anyhow::{Context, Result};
use book::Book;
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

/// Arguments of `business`.
#[derive(Debug, Clone, clap::Args)]
pub struct BusinessArgs {
    /// The same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Months from July 2025 on.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(6..=60))]
    pub months: u32,
    /// Times the volume of clean records.
    #[arg(long, default_value_t = 1)]
    pub volume: u32,
    /// Planted risks of each rule.
    #[arg(long, default_value_t = 4)]
    pub plants: u32,
    /// Folder for facts.jsonl and labels.jsonl.
    #[arg(long)]
    pub out: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Written {
    /// Lines of facts.
    pub facts: usize,
    /// Labelled risks.
    pub labels: usize,
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// Makes the facts and labels of a seed.
pub(crate) fn make(args: &BusinessArgs) -> Book {
    let mut book = Book::new(args.seed, args.months);
    clean::all(&mut book, args.volume);
    for n in 0..args.plants {
        procurement::plant(&mut book, n);
        credit::plant(&mut book, n);
        treasury::plant(&mut book, n);
        legal::plant(&mut book, n);
    }
    book
}

/// Writes both files.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(args: &BusinessArgs) -> Result<Written> {
    let book = make(args);
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let (from, to) = (book.date(0), book.date(book.days() - 1));
    let (facts, labels) = book.lines();
    fs::write(args.out.join("facts.jsonl"), facts.join("\n") + "\n")?;
    fs::write(args.out.join("labels.jsonl"), labels.join("\n") + "\n")?;
    Ok(Written { facts: facts.len(), labels: labels.len(), from, to })
}
