//! The unified social credit code (GB 32100-2015) and the organisation code inside it (GB 11714-1997).

/// Symbols of the code: digits and capital letters without I, O, S, V, Z; a symbol's value is its place.
const SYMBOLS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Weights of characters 1 to 17: powers of 3 modulo 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// Weights of the organisation code's eight characters.
const INNER_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Whether a check character is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uscc {
    /// Not 18 characters.
    Length(usize),
    /// A character that no code has; its place, from 1.
    Symbol(usize),
    /// A code in form; each check by itself.
    Checked {
        /// Character 18 against characters 1 to 17.
        outer: Check,
        /// Character 17 against characters 9 to 16: the organisation code.
        inner: Check,
    },
}

impl Uscc {
    /// Whether the code itself can be believed. The organisation code inside may still be wrong: old
    /// codes were carried over with their faults.
    pub fn is_sound(self) -> bool {
        matches!(self, Uscc::Checked { outer: Check::Right, .. })
    }
}

fn right(is: bool) -> Check {
    if is { Check::Right } else { Check::Wrong }
}

/// Checks a code. Letters are capital; nothing is put right.
pub fn check(code: &str) -> Uscc {
    let bytes = code.as_bytes();
    if code.chars().count() != 18 {
        return Uscc::Length(code.chars().count());
    }
    let value = |byte: &u8| SYMBOLS.iter().position(|symbol| symbol == byte).and_then(|at| u32::try_from(at).ok());
    let mut values = Vec::with_capacity(18);
    for (at, character) in code.chars().enumerate() {
        match u8::try_from(character).ok().as_ref().and_then(value) {
            Some(value) => values.push(value),
            None => return Uscc::Symbol(at + 1),
        }
    }
    let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    let outer = right(values.last() == Some(&((31 - sum % 31) % 31)));
    Uscc::Checked { outer, inner: right(bytes.get(8..17).is_some_and(organisation_code)) }
}

/// Eight characters and their check character.
fn organisation_code(code: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 10),
        _ => None,
    };
    let Some((last, body)) = code.split_last() else { return false };
    let sum = body.iter().zip(INNER_WEIGHTS).try_fold(0, |sum, (byte, weight)| Some(sum + value(*byte)? * weight));
    let expected = sum.map(|sum| match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    });
    expected == Some(*last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the peer oracle (python-stdnum, `stdnum.cn.uscc`).
    const KNOWN: &str = "91110000600037341L";

    #[test]
    fn a_known_code_is_right_in_both_checks_and_every_changed_character_is_found() {
        assert_eq!(check(KNOWN), Uscc::Checked { outer: Check::Right, inner: Check::Right });
        for at in 0..18 {
            for symbol in SYMBOLS.iter().filter(|symbol| **symbol != KNOWN.as_bytes()[at]) {
                let mut changed = KNOWN.as_bytes().to_vec();
                changed[at] = *symbol;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert!(!check(&changed).is_sound(), "{changed}");
            }
        }
    }

    #[test]
    fn what_is_no_code_says_where() {
        assert_eq!(check(""), Uscc::Length(0));
        assert_eq!(check("9111000060003734"), Uscc::Length(16));
        assert_eq!(check("91110000600037341I"), Uscc::Symbol(18));
        assert_eq!(check("9111000060003734矿L"), Uscc::Symbol(17));
        assert_eq!(check("91110000600037342L"), Uscc::Checked { outer: Check::Wrong, inner: Check::Wrong });
    }

    proptest! {
        #[test]
        fn one_last_character_is_right_for_any_beginning(body in "[0-9A-HJ-NP-RTUWXY]{17}") {
            let sound = SYMBOLS.iter().filter(|last| check(&format!("{body}{}", char::from(**last))).is_sound()).count();
            prop_assert_eq!(sound, 1);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = check(&text);
        }
    }
}
