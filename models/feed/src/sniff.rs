//! What a document is, told from its beginning; a person or a connector may say otherwise.

/// Bytes that are looked at.
pub const LOOK: usize = 64 << 10;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// camt.052, camt.053, camt.054.
    Camt,
    /// pain.001.
    Pain,
    /// MT940, MT942.
    Mt940,
    /// OCDS releases, records and packages, JSON or JSON Lines.
    Ocds,
    /// A table through a mapping file.
    Mapped,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [Format::Camt, Format::Pain, Format::Mt940, Format::Ocds, Format::Mapped];

    /// Name in settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Camt => "camt",
            Format::Pain => "pain",
            Format::Mt940 => "mt940",
            Format::Ocds => "ocds",
            Format::Mapped => "mapped",
        }
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// The format of a document that begins so; `None` for a table, which needs a mapping.
pub fn format(head: &[u8]) -> Option<Format> {
    // UTF-16 read as bytes has a zero beside every ASCII character.
    let ascii: Vec<u8> = head.iter().take(LOOK).copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&ascii);
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c == '\u{fffd}' || c.is_whitespace());
    if text.starts_with('<') {
        return match (text.contains(":xsd:camt.05"), text.contains(":xsd:pain.001")) {
            (true, _) => Some(Format::Camt),
            (false, true) => Some(Format::Pain),
            (false, false) => None,
        };
    }
    if text.starts_with(['{', '[']) && text.contains("\"ocid\"") {
        return Some(Format::Ocds);
    }
    let tagged = |line: &str| {
        [":20:", ":25:", ":28C:", ":28:", ":60F:", ":60M:", ":61:", ":62F:", ":64:"]
            .iter()
            .any(|tag| line.starts_with(tag))
    };
    (text.starts_with("{1:") || text.lines().take(20).any(tagged)).then_some(Format::Mt940)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_from_their_beginning() {
        let camt = "<?xml version='1.0'?>\n<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'>";
        let utf16: Vec<u8> = camt.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(format(camt.as_bytes()), Some(Format::Camt));
        assert_eq!(format(&utf16), Some(Format::Camt));
        assert_eq!(format(b"\xef\xbb\xbf\r\n:20:STARTUMS\r\n"), Some(Format::Mt940));
        assert_eq!(format(b"{1:F01ASNBNL21XXXX}{4:\n:20:0\n"), Some(Format::Mt940));
        assert_eq!(format(br#"{"ocid":"ocds-1","tag":["tender"]}"#), Some(Format::Ocds));
        assert_eq!(format(b"a,b,c\n1,2,3\n"), None);
        assert_eq!(format(b""), None);
    }
}
