//! What a channel's answer means for the notice. Pure.

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Taken; the receipt is what the receiver said about it.
    Accepted {
        /// For people.
        receipt: String,
    },
    /// Not now.
    Retry {
        /// What the receiver asked for, milliseconds.
        after_ms: Option<i64>,
        /// For people; no secrets.
        why: String,
    },
    /// Never, as things are.
    Rejected {
        /// For people; no secrets.
        why: String,
    },
}

/// Longest wait a receiver may ask for: an hour.
pub(super) const RETRY_AFTER_MS_MAX: i64 = 3_600_000;

/// `Retry-After` in seconds or as an HTTP date, at most an hour.
pub(super) fn retry_after_ms(header: Option<&str>, now_s: i64) -> Option<i64> {
    let text = header?.trim();
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second().saturating_sub(now_s),
    };
    Some(seconds.clamp(0, RETRY_AFTER_MS_MAX / 1_000) * 1_000)
}

/// An HTTP status without a body of its own to judge.
pub(super) fn of_status(status: u16, retry_after: Option<&str>, now_s: i64) -> Answer {
    let why = format!("HTTP {status}");
    match status {
        200..=299 => Answer::Accepted { receipt: why },
        300..=399 => Answer::Rejected { why: format!("{why}: redirects are not followed") },
        408 | 425 | 429 | 500..=599 => Answer::Retry { after_ms: retry_after_ms(retry_after, now_s), why },
        _ => Answer::Rejected { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_but_not_for_ever() {
        let asked = |text| retry_after_ms(Some(text), 1_795_600_800);
        assert_eq!(asked("120"), Some(120_000));
        assert_eq!(asked("999999"), Some(RETRY_AFTER_MS_MAX));
        assert_eq!(asked("-5"), Some(0));
        assert_eq!(asked("Wed, 25 Nov 2026 10:01:00 GMT"), Some(60_000));
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after_ms(None, 0), None);
    }

    #[test]
    fn a_status_is_a_delivery_a_wait_or_an_end() {
        for (status, expected) in [
            (200, "a"),
            (204, "a"),
            (301, "r"),
            (307, "r"),
            (400, "r"),
            (401, "r"),
            (404, "r"),
            (410, "r"),
            (408, "w"),
            (429, "w"),
            (500, "w"),
            (503, "w"),
        ] {
            let got = match of_status(status, None, 0) {
                Answer::Accepted { .. } => "a",
                Answer::Retry { .. } => "w",
                Answer::Rejected { .. } => "r",
            };
            assert_eq!(got, expected, "{status}");
        }
    }
}
