//! Any bytes as a business feed: the first byte says which reader, the rest is the document. Facts or
//! problems with a reason; every document ends.

use jiff::tz::TimeZone;
use minewatch_feed::bytes::Encoding;
use minewatch_feed::facts::{Context, Out};
use minewatch_feed::generic::Mapping;
use minewatch_feed::reader::{Wanted, read};
use minewatch_feed::sniff::{self, Format};
use minewatch_risk::dictionary::Dictionary;
use std::sync::OnceLock;

const MAPPING: &str = "kind = 'list_entry'\nkey = ['list', 'party']\nevent_at = 'valid_from'\nrecords = '/a/b'\n\
    [[field]]\nto = 'list'\nconstant = 'x'\n[[field]]\nto = 'party'\nfrom = ['p', 'a', 'b.c']\n\
    [[field]]\nto = 'valid_from'\nfrom = 'd'\ndates = ['%Y/%m/%d']\n";

fn context() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| Context::bare("fuzz", TimeZone::UTC))
}

fn mapped(layout: &str) -> Option<Wanted> {
    let text = format!("layout = '{layout}'\n{MAPPING}");
    Mapping::parse(&text, &context().dictionary).ok().map(|mapping| Wanted::Mapped(Box::new(mapping)))
}

/// The target.
pub(crate) fn body(data: &[u8]) {
    let Some((which, document)) = data.split_first() else { return };
    let _ = sniff::format(document);
    let format = |format| Some(Wanted::Format(format, Encoding::Auto));
    let wanted = match which % 10 {
        0 => format(Format::Camt),
        1 => format(Format::Pain),
        2 => format(Format::Mt940),
        3 => format(Format::Ocds),
        4 => mapped("csv"),
        5 => mapped("tsv"),
        6 => mapped("json"),
        7 => mapped("jsonl"),
        8 => mapped("xml"),
        _ => {
            let text = String::from_utf8_lossy(document);
            if let Err(problems) = Mapping::parse(&text, &Dictionary::default()) {
                assert!(!problems.is_empty(), "a refused mapping has a reason");
            }
            return;
        }
    };
    let Some(wanted) = wanted else { panic!("the mapping of the target is sound") };
    for out in read(document, wanted, context().clone()) {
        match out {
            Out::Fact(fact) => {
                assert!(context().dictionary.validate(&fact).is_empty(), "a fact fits the dictionary: {fact:?}");
            }
            Out::Problem(problem) => assert!(!problem.why.is_empty(), "a problem says why"),
        }
    }
}
