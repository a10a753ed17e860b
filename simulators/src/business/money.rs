//! Amounts as texts, to the cent.

/// Yuan and cents.
pub(super) fn yuan(amount: f64) -> String {
    format!("{amount:.2}")
}
