//! `:86:`, information to the account owner: free, or in the structure of German banks
//! (`166?00GUTSCHRIFT?20EREF+...?32NAME`), wrapped anywhere.

/// Longest narrative kept, bytes.
const NARRATIVE_BYTES_MAX: usize = 4_000;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// The other side's name.
    pub name: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Its bank.
    pub bank: Option<String>,
    /// End-to-end reference.
    pub end_to_end: Option<String>,
    /// What it was for.
    pub narrative: String,
}

impl Details {
    /// These, and what is missing from others.
    pub(super) fn and(self, other: Details) -> Details {
        let narrative = match (self.narrative.is_empty(), other.narrative.is_empty()) {
            (true, _) => other.narrative,
            (false, true) => self.narrative,
            (false, false) => cut(format!("{} {}", self.narrative, other.narrative)),
        };
        Details {
            name: self.name.or(other.name),
            account: self.account.or(other.account),
            bank: self.bank.or(other.bank),
            end_to_end: self.end_to_end.or(other.end_to_end),
            narrative,
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > NARRATIVE_BYTES_MAX {
        let end = (0..=NARRATIVE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn some(text: &str) -> Option<String> {
    Some(text.trim()).filter(|t| !t.is_empty()).map(str::to_owned)
}

/// Reads the text of `:86:`.
pub fn details(text: &str) -> Details {
    structured(text).unwrap_or_else(|| {
        let joined: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Details { narrative: cut(joined.join(" ")), ..Details::default() }
    })
}

/// Three digits, then fields of two digits, each behind the same sign.
fn structured(text: &str) -> Option<Details> {
    let (code, rest) = text.split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let sign = rest.chars().next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace())?;
    // A line breaks anywhere, also inside a field's number.
    let joined: String = rest.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let (mut details, mut purpose, mut posting, mut name) =
        (Details::default(), String::new(), String::new(), String::new());
    for piece in joined.split(sign) {
        let Some((number, value)) = piece.split_at_checked(2) else { continue };
        match number.parse::<u8>() {
            Ok(0) => posting.push_str(value),
            Ok(20..=29 | 60..=63) => purpose.push_str(value),
            Ok(30) => details.bank = some(value),
            Ok(31 | 38) => details.account = details.account.take().or_else(|| some(value)),
            Ok(32 | 33) => name.push_str(value),
            Ok(_) => {}
            // The sign stood in a value.
            Err(_) => purpose.push_str(piece),
        }
    }
    details.name = some(&name);
    details.end_to_end = sepa(&purpose, "EREF+").filter(|id| id != "NOTPROVIDED");
    let narrative = sepa(&purpose, "SVWZ+").unwrap_or(if purpose.is_empty() { posting } else { purpose });
    details.narrative = cut(narrative.trim().to_owned());
    Some(details)
}

/// What stands behind a mark such as `EREF+`, up to the next one.
fn sepa(purpose: &str, mark: &str) -> Option<String> {
    let marks =
        ["EREF+", "KREF+", "MREF+", "CRED+", "DEBT+", "COAM+", "OAMT+", "SVWZ+", "ABWA+", "ABWE+", "BREF+", "RREF+"];
    let (_, rest) = purpose.split_once(mark)?;
    let end = marks.iter().filter_map(|next| rest.find(next)).min().unwrap_or(rest.len());
    some(rest.get(..end)?)
}

/// `:NS:` of some German banks: lines that begin with a two-digit number.
pub(super) fn non_swift(text: &str) -> Details {
    let mut details = Details::default();
    let mut narrative: Vec<&str> = Vec::new();
    for line in text.lines() {
        let Some((number, value)) = line.split_at_checked(2) else { continue };
        match number.parse::<u8>() {
            Ok(1..=14) => narrative.push(value.trim()),
            Ok(15 | 16) => {
                let name = [details.name.take().unwrap_or_default(), value.trim().to_owned()].concat();
                details.name = some(&name);
            }
            Ok(_) | Err(_) => {}
        }
    }
    details.narrative = cut(narrative.join(" "));
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_details_are_read_across_wrapped_lines() {
        let said = details(
            "166?00GUTSCHRIFT?100399?20EREF+EndToEndId TFNR 22 004?21 00001?22\nSVWZ+Verw CTSc-01 BC-PPP TF?23Nr 22 004?30DRESDEFF508?31DE1450880\n0500194785000?32KARL?33        KAUFMANN",
        );
        assert_eq!(said.end_to_end.as_deref(), Some("EndToEndId TFNR 22 004 00001"));
        assert_eq!(said.account.as_deref(), Some("DE14508800500194785000"));
        assert_eq!(said.name.as_deref(), Some("KARL        KAUFMANN"));
        assert_eq!(said.narrative, "Verw CTSc-01 BC-PPP TFNr 22 004");
    }

    #[test]
    fn free_details_are_one_text() {
        assert_eq!(
            details("REMIT:Costs to MT940 Parsing. \nThis is Somuchfun.").narrative,
            "REMIT:Costs to MT940 Parsing. This is Somuchfun."
        );
        assert_eq!(details("091"), Details { narrative: "091".to_owned(), ..Details::default() });
        assert_eq!(details("货款 2026年1月").narrative, "货款 2026年1月");
    }
}
