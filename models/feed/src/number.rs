//! Exact decimals out of text; never a float on the way.

use rust_decimal::Decimal;

/// Longest number read, in characters: more digits than any currency needs.
pub const CHARS_MAX: usize = 40;

/// How a source writes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Between whole and fraction.
    pub point: u8,
    /// Between groups of digits; 0 for none.
    pub group: u8,
}

impl Style {
    /// `1234.56`, as in ISO 20022 and JSON.
    pub const POINT: Style = Style { point: b'.', group: 0 };
    /// `1234,56`, as in SWIFT MT.
    pub const COMMA: Style = Style { point: b',', group: 0 };
}

/// Reads a decimal: an optional sign, digits, and at most one decimal sign, behind which may stand
/// nothing (`380115,` is written so in SWIFT messages). `None` for anything else: an exponent, two
/// signs, more than 28 digits, no digit at all.
pub fn decimal(text: &str, style: Style) -> Option<Decimal> {
    let bytes = text.as_bytes();
    if bytes.len() > CHARS_MAX {
        return None;
    }
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    let (mut number, mut scale, mut seen, mut behind) = (0i128, 0u32, 0u32, false);
    for byte in digits {
        match *byte {
            digit @ b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
                seen += 1;
                scale += u32::from(behind);
            }
            sign if sign == style.point && !behind => behind = true,
            sign if style.group != 0 && sign == style.group && !behind && seen > 0 => {}
            _ => return None,
        }
    }
    if seen == 0 {
        return None;
    }
    Decimal::try_from_i128_with_scale(if negative { -number } else { number }, scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_sources_write_is_read_exactly() {
        let comma = |text| decimal(text, Style::COMMA).map(|d| d.to_string());
        for (text, expected) in
            [("380115,", "380115"), ("0,12", "0.12"), ("001,12", "1.12"), ("000000000147,64", "147.64")]
        {
            assert_eq!(comma(text).as_deref(), Some(expected));
        }
        let grouped = Style { point: b'.', group: b',' };
        assert_eq!(decimal("1,234,567.89012", grouped).map(|d| d.to_string()).as_deref(), Some("1234567.89012"));
        assert_eq!(decimal("-5.00000", Style::POINT).map(|d| d.to_string()).as_deref(), Some("-5.00000"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for bad in [
            "",
            "-",
            ".",
            "1e3",
            "1.2.3",
            "1,2",
            " 1",
            "0x1",
            "NaN",
            "１２",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(decimal(bad, Style::POINT), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_written_is_the_decimal_read(mantissa in -(10i64.pow(17))..10i64.pow(17), scale in 0u32..6) {
            let value = Decimal::new(mantissa, scale);
            prop_assert_eq!(decimal(&value.to_string(), Style::POINT), Some(value));
            prop_assert_eq!(decimal(&value.to_string().replace('.', ","), Style::COMMA), Some(value));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = decimal(&text, Style { point: b',', group: b'.' });
        }
    }
}
