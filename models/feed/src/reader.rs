//! One way into every reader.

use crate::bytes::Encoding;
use crate::camt::{Camt, Payments};
use crate::facts::{Context, Facts, Out};
use crate::generic::{Mapped, Mapping};
use crate::mt940::Mt940;
use crate::ocds::Ocds;
use crate::sniff::Format;
use std::io::BufRead;

/// How a document is to be read.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A format that says itself what its fields are.
    Format(Format, Encoding),
    /// A table.
    Mapped(Box<Mapping>),
}

/// The facts and problems of a document, one after the other.
///
/// `Wanted::Format(Format::Mapped, ..)` has no mapping and yields nothing.
pub fn read<'r, R: BufRead + 'r>(input: R, wanted: Wanted, context: Context) -> Box<dyn Iterator<Item = Out> + 'r> {
    match wanted {
        Wanted::Mapped(mapping) => Box::new(Mapped::new(input, *mapping, context)),
        Wanted::Format(Format::Camt, encoding) => boxed(Facts::new(Camt::new(input, encoding), context)),
        Wanted::Format(Format::Pain, encoding) => boxed(Facts::new(Payments::new(input, encoding), context)),
        Wanted::Format(Format::Mt940, encoding) => boxed(Facts::new(Mt940::new(input, encoding), context)),
        Wanted::Format(Format::Ocds, _) => Box::new(Ocds::new(input, context)),
        Wanted::Format(Format::Mapped, _) => Box::new(std::iter::empty()),
    }
}

fn boxed<'r, I: Iterator<Item = Out> + 'r>(facts: Option<I>) -> Box<dyn Iterator<Item = Out> + 'r> {
    match facts {
        Some(facts) => Box::new(facts),
        None => Box::new(std::iter::empty()),
    }
}
