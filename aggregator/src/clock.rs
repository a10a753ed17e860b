//! The wall clock and the way times are written; the only place that reads the time of day.

use jiff::Timestamp;
use minewatch_domain::At;

/// Now.
pub fn now() -> At {
    At(Timestamp::now().as_microsecond())
}

/// RFC 3339 UTC with milliseconds.
pub fn text(at: At) -> String {
    match Timestamp::from_microsecond(at.micros()) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
    }
}

/// Reads RFC 3339, or whole milliseconds since 1970.
pub fn parse(text: &str) -> Option<At> {
    if text.len() > 40 {
        return None;
    }
    if let Ok(ms) = text.parse::<i64>() {
        return Some(At::from_millis(ms));
    }
    text.parse::<Timestamp>().ok().map(|t| At(t.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_read_back() {
        let at = At(1_763_860_523_456_789);
        assert_eq!(text(at), "2025-11-23T01:15:23.456Z");
        assert_eq!(parse(&text(at)).map(At::millis), Some(at.millis()));
        assert_eq!(parse("1763860523456").map(At::millis), Some(at.millis()));
        assert_eq!(parse("yesterday"), None);
    }
}
