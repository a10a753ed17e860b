//! Identifiers. Each is a lower-case ASCII slug, so that it can stand in a topic, a file
//! name, a URL and a metric label without escaping.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than the limit.
    #[error("{what} {text:?} is {len} characters long; 1 to {max} are allowed")]
    Length {
        /// What kind of identifier.
        what: &'static str,
        /// The offending text, cut to 80 characters.
        text: String,
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A character outside the slug alphabet.
    #[error(
        "{what} {text:?} contains {bad:?}; only a-z, 0-9, '-', '_' and '.' are allowed, starting with a letter or digit"
    )]
    Character {
        /// What kind of identifier.
        what: &'static str,
        /// The offending text, cut to 80 characters.
        text: String,
        /// The first bad character.
        bad: char,
    },
}

fn check(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    let shown = || text.chars().take(80).collect::<String>();
    if text.is_empty() || text.len() > max {
        return Err(IdError::Length { what, text: shown(), len: text.chars().count(), max });
    }
    let allowed =
        |i: usize, c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (i > 0 && matches!(c, '-' | '_' | '.'));
    match text.char_indices().find(|(i, c)| !allowed(*i, *c)) {
        Some((_, bad)) => Err(IdError::Character { what, text: shown(), bad }),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Longest identifier accepted, in bytes.
            pub const LEN_MAX: usize = $max;

            /// Parses a slug.
            ///
            /// # Errors
            /// [`IdError`] says what is wrong with the text.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check($what, text, Self::LEN_MAX)?;
                Ok(Self(text.into()))
            }

            /// The slug.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }
    };
}

id!(
    /// A gateway: also its MQTT client id, certificate name and topic level.
    GatewayId, "gateway id", 64
);
id!(
    /// A measured point, unique within its gateway, for example `pz-03.level`.
    PointId, "point id", 96
);
id!(
    /// A device on a bus, unique within its gateway.
    DeviceId, "device id", 64
);

id!(
    /// A person of headquarters: the login name; also the name under which an action is kept.
    PersonId, "person id", 64
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_accepted_and_anything_that_could_escape_a_topic_is_not() {
        for good in ["gw-01", "pz-03.level", "0", "a_b"] {
            assert_eq!(PointId::parse(good).map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "A", "a/b", "a+b", "#", "a b", "坝", "-a", ".", "a\0", &"x".repeat(97)] {
            assert!(PointId::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
