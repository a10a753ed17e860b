//! One thing that is wrong with a configuration: where, what and why, in one line.

use std::cell::RefCell;
use std::fmt;

/// A problem found while reading configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, and the place in it, for example `demo.toml: device[2] "pz-03"`.
    pub place: String,
    /// What is wrong and why.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Collects problems, so that every one is reported at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(crate) fn add(&self, place: impl Into<String>, what: impl Into<String>) {
        self.0.borrow_mut().push(Problem { place: place.into(), what: what.into() });
    }

    pub(crate) fn extend(&self, more: Vec<Problem>) {
        self.0.borrow_mut().extend(more);
    }

    /// `value` when nothing was found, everything that was found otherwise.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        let found = self.0.into_inner();
        match value {
            Some(value) if found.is_empty() => Ok(value),
            Some(_) | None => Err(found),
        }
    }
}

/// The candidate nearest to a mistyped word, if one is near: `; did you mean "pressure"?`
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let limit = 1 + word.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| format!("; did you mean {candidate:?}?"))
        .unwrap_or_default()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        row[0] = left;
        for (j, cb) in b.iter().enumerate() {
            let up = row[j + 1];
            left = (diagonal + usize::from(ca != *cb)).min(up + 1).min(left + 1);
            diagonal = up;
            row[j + 1] = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("presure", ["temperature", "pressure"]), "; did you mean \"pressure\"?");
        assert_eq!(did_you_mean("presure", ["rain"]), "");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
