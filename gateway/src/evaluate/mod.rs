//! `gateway evaluate`: runs the dam model's forecasts on measured series, so that anybody can check them
//! on data nobody here has seen.
//!
//! Every subcommand prints one JSON object a line on standard output and a table on standard error.
//! Exit code 0: done, and every bar that was asked for holds; 2: input that cannot be read; 3: a bar that
//! does not hold. Not here: the models themselves (`models/dam`), and replay of a site (`replay`).

mod ahead;
mod failure;
mod heads;
mod levels;
mod regression;
pub mod table;
mod well;

use clap::Subcommand;
use std::process::ExitCode;

/// What to evaluate.
#[derive(Debug, Subcommand)]
pub enum Evaluate {
    /// Forecasts a failure from a displacement or velocity series at successive cuts, or says why not.
    Failure(failure::FailureArgs),
    /// Fits a rain and evapotranspiration model to heads and tests it on the last years.
    Heads(heads::HeadsArgs),
    /// Forecasts displacements some days ahead with intervals.
    Ahead(ahead::AheadArgs),
    /// Counts official alert levels in dirty bulletins.
    Levels(levels::LevelsArgs),
    /// Fits a head or seepage to lagged level and rain and prints the record for a dam file.
    Regression(regression::RegressionArgs),
    /// Finds gaps and impossible values of a well and estimates its barometric efficiency.
    Well(well::WellArgs),
}

/// Whether the bars that were asked for hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of them, or none was asked for.
    Holds,
    /// At least one does not.
    FallsShort,
}

impl Verdict {
    /// Holds when everything said is so.
    pub(crate) fn of(holds: bool) -> Verdict {
        if holds { Verdict::Holds } else { Verdict::FallsShort }
    }
}

/// Runs an evaluation.
pub fn run(evaluate: &Evaluate) -> ExitCode {
    let outcome = match evaluate {
        Evaluate::Failure(args) => failure::evaluate(args),
        Evaluate::Heads(args) => heads::evaluate(args),
        Evaluate::Ahead(args) => ahead::evaluate(args),
        Evaluate::Levels(args) => levels::evaluate(args),
        Evaluate::Regression(args) => regression::evaluate(args),
        Evaluate::Well(args) => well::evaluate(args),
    };
    match outcome {
        Ok(Verdict::Holds) => ExitCode::SUCCESS,
        Ok(Verdict::FallsShort) => ExitCode::from(3),
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::from(2)
        }
    }
}
