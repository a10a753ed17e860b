//! Where something stands in the organisation: `group[/company[/mine[/facility]]]`.
//!
//! Invariant: a path is `/` (everything) or one to four slugs, so that one textual comparison
//! decides containment, the same in SQL, in a topic and here. Deliberately absent: names for
//! people, and who is responsible for what.

use crate::{PointId, SitePath};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a text is not a path of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("organisation path {text:?} must be / or group[/company[/mine[/facility]]] of slugs (a-z, 0-9, '-', '_', '.')")]
pub struct OrgError {
    /// The offending text, cut to 80 characters.
    pub text: String,
}

/// A node of the organisation, with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgPath(Arc<str>);

impl OrgPath {
    /// Group, company, mine, facility.
    pub const DEPTH_MAX: usize = 4;
    /// Where a gateway stands until its catalogue says so.
    pub const UNASSIGNED: &'static str = "unassigned";

    /// Everything there is: `/`.
    pub fn root() -> OrgPath {
        OrgPath("/".into())
    }

    /// Reads `/` or one to four slugs joined by `/`.
    ///
    /// # Errors
    /// [`OrgError`] for anything else.
    pub fn parse(text: &str) -> Result<OrgPath, OrgError> {
        let sound = text.split('/').all(|level| PointId::parse(level).is_ok());
        match text == "/" || (sound && text.split('/').count() <= OrgPath::DEPTH_MAX) {
            true => Ok(OrgPath(text.into())),
            false => Err(OrgError { text: text.chars().take(80).collect() }),
        }
    }

    /// The facility of a catalogue. A path with a level that is no slug counts as unassigned: it
    /// could otherwise claim another's place.
    pub fn of_site(path: &SitePath) -> OrgPath {
        let text = format!("{}/{}/{}/{}", path.group, path.company, path.mine, path.facility);
        OrgPath::parse(&text).unwrap_or_else(|_| OrgPath::unassigned())
    }

    /// The place of a gateway whose catalogue is not known: only who sees everything sees it.
    pub fn unassigned() -> OrgPath {
        OrgPath(OrgPath::UNASSIGNED.into())
    }

    /// The text: `/`, or the slugs joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slugs, from the group down; none for `/`.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|level| !level.is_empty())
    }

    /// Levels below everything: 0 to [`OrgPath::DEPTH_MAX`].
    pub fn depth(&self) -> usize {
        self.levels().count()
    }

    /// The node above; `None` for `/`.
    pub fn parent(&self) -> Option<OrgPath> {
        match self.0.rsplit_once('/') {
            _ if self.depth() == 0 => None,
            Some((above, _)) => Some(OrgPath(above.into())),
            None => Some(OrgPath::root()),
        }
    }

    /// Whether `other` is this node or below it.
    pub fn contains(&self, other: &OrgPath) -> bool {
        let below = || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.depth() == 0 || below()
    }
}

impl fmt::Display for OrgPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OrgPath {
    type Error = OrgError;
    fn try_from(text: String) -> Result<OrgPath, OrgError> {
        OrgPath::parse(&text)
    }
}

impl From<OrgPath> for String {
    fn from(path: OrgPath) -> String {
        path.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> OrgPath {
        OrgPath::parse(text).expect(text)
    }

    #[test]
    fn a_node_contains_itself_and_what_is_below_it_and_nothing_else() {
        let mine = path("g/c/m");
        for inside in ["g/c/m", "g/c/m/dam"] {
            assert!(mine.contains(&path(inside)), "{inside}");
        }
        for outside in ["g", "g/c", "/", "g/c/m2", "g/c/m2/dam", "g/x/m/dam", "unassigned"] {
            assert!(!mine.contains(&path(outside)), "{outside}");
        }
        for any in ["/", "g", "g/c/m/dam", "unassigned"] {
            assert!(OrgPath::root().contains(&path(any)), "{any}");
        }
    }

    #[test]
    fn only_slugs_make_a_path() {
        for bad in ["", "//", "g/", "/g", "g//m", "a/b/c/d/e", "G", "g/../h", "g/*", "矿"] {
            assert!(OrgPath::parse(bad).is_err(), "{bad:?}");
        }
        let site = |mine: &str| SitePath {
            group: "g".to_owned(),
            company: "c".to_owned(),
            mine: mine.to_owned(),
            facility: "dam".to_owned(),
        };
        assert_eq!(OrgPath::of_site(&site("m")), path("g/c/m/dam"));
        assert_eq!(OrgPath::of_site(&site("m/x")), OrgPath::unassigned());
    }

    #[test]
    fn every_node_has_one_above_it_up_to_everything() {
        let mut chain = Vec::new();
        let mut at = Some(path("g/c/m/dam"));
        while let Some(node) = at {
            chain.push(node.to_string());
            at = node.parent();
        }
        assert_eq!(chain, ["g/c/m/dam", "g/c/m", "g/c", "g", "/"]);
    }
}
