//! Kinds of facts: their names, and the domain whose people see them.

use serde::Deserialize;
use std::sync::LazyLock;

/// What a kind of fact is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KindAbout {
    /// The kind.
    pub kind: String,
    /// `procurement`, `credit`, `treasury`, `legal`, or `common`: what every domain needs.
    pub domain: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
}

static KINDS: LazyLock<Vec<KindAbout>> = LazyLock::new(|| {
    let text = include_str!("../../dictionary/kinds.csv");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    reader.deserialize().flatten().collect()
});

/// What a kind is called; none for one that is not known.
pub fn kind_about(kind: &str) -> Option<&'static KindAbout> {
    KINDS.iter().find(|about| about.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;

    #[test]
    fn every_kind_has_its_names_and_a_domain() {
        for kind in Dictionary::shipped().kinds() {
            let about = kind_about(kind.as_str()).unwrap_or_else(|| panic!("{kind} has no name"));
            let domains = ["common", "procurement", "credit", "treasury", "legal"];
            assert!(domains.contains(&about.domain.as_str()) && !about.name_zh.is_empty(), "{about:?}");
        }
        assert_eq!(KINDS.len(), Dictionary::shipped().kinds().count());
    }
}
