//! Whether a text is a unified social credit code (GB 32100-2015): the outer check digit.

/// The 31 symbols, in order of their values.
const SYMBOLS: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// Eighteen symbols, the last of them right.
pub(super) fn valid(code: &str) -> bool {
    let values: Option<Vec<usize>> = code.chars().map(|c| SYMBOLS.find(c)).collect();
    let Some(values) = values.filter(|values| values.len() == 18) else { return false };
    let sum: usize = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    values.last() == Some(&((31 - sum % 31) % 31))
}
