//! Names of kinds and elements: lower-case ASCII, so that they stand in rule files, SQL and URLs.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} must be 1 to 64 characters of a-z, 0-9 and '_', starting with a letter")]
pub struct NameError {
    what: &'static str,
    text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name.
            ///
            /// # Errors
            /// [`NameError`] when it is not one.
            pub fn parse(text: &str) -> Result<$name, NameError> {
                let sound = |(i, c): (usize, char)| c.is_ascii_lowercase() || (i > 0 && (c.is_ascii_digit() || c == '_'));
                match !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.char_indices().all(sound) {
                    true => Ok($name(text.into())),
                    false => Err(NameError { what: $what, text: text.chars().take(80).collect() }),
                }
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<$name, NameError> {
                $name::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }
    };
}

name!(
    /// What a fact is about, for example `contract`.
    FactKind,
    "fact kind"
);
name!(
    /// A field of a kind, for example `amount`; its meaning stands in the dictionary.
    ElementId,
    "element"
);
