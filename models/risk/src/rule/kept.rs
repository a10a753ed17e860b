//! Totals that are kept up to date with every row instead of being computed again: exact, so that
//! taking a row away leaves what was there before it came.

use super::cell::Cell;
use super::eval::Scope;
use super::node::{Node, Total};
use rust_decimal::Decimal;

/// What is kept: of which rows, of which value.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptOf {
    /// Which rows.
    pub filter: Option<Node>,
    /// Of what.
    pub value: Option<Node>,
}

/// A row's part in a total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// Not one of the rows.
    Out,
    /// Whether it is one, or its value, is not known.
    Doubtful,
    /// One of the rows, with its value.
    In(Decimal),
}

/// The totals.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    rows: i64,
    doubtful: i64,
    sum: Decimal,
    digits: [i64; 9],
}

impl KeptOf {
    /// Whether an aggregate can be kept: its rows and values depend on nothing but the row.
    pub(super) fn can(total: Total) -> bool {
        matches!(total, Total::Count | Total::Exists | Total::Sum | Total::Mean | Total::Benford)
    }

    pub(super) fn step(&self, scope: &Scope<'_>) -> Step {
        match self.filter.as_ref().map_or(Cell::Flag(true), |filter| scope.eval(filter)) {
            Cell::Flag(true) => {}
            Cell::None => return Step::Doubtful,
            Cell::Flag(false) | Cell::Num(_) | Cell::Text(_) | Cell::Time(_) => return Step::Out,
        }
        match self.value.as_ref().map(|value| scope.eval(value)) {
            None => Step::In(Decimal::ZERO),
            Some(Cell::Num(number)) => Step::In(number),
            Some(Cell::None | Cell::Flag(_) | Cell::Text(_) | Cell::Time(_)) => Step::Doubtful,
        }
    }
}

/// First significant digit, 1 to 9.
pub(super) fn first_digit(number: Decimal) -> Option<usize> {
    let mut mantissa = number.mantissa().unsigned_abs();
    while mantissa >= 10 {
        mantissa /= 10;
    }
    usize::try_from(mantissa).ok().filter(|digit| *digit > 0)
}

/// Mean absolute deviation of the digits' shares from log10(1 + 1/d); none for no rows.
pub(super) fn benford(digits: &[i64; 9]) -> Option<f64> {
    let rows: i64 = digits.iter().sum();
    let off = |(n, count): (usize, &i64)| (*count as f64 / rows as f64 - (1.0 + 1.0 / (n as f64 + 1.0)).log10()).abs();
    (rows > 0).then(|| digits.iter().enumerate().map(off).sum::<f64>() / 9.0)
}

impl Kept {
    pub(super) fn apply(&mut self, step: Step, sign: i64) {
        match step {
            Step::Out => {}
            Step::Doubtful => self.doubtful += sign,
            Step::In(value) => {
                self.rows += sign;
                self.sum += if sign > 0 { value } else { -value };
                if let Some(count) = first_digit(value).and_then(|digit| self.digits.get_mut(digit - 1)) {
                    *count += sign;
                }
            }
        }
    }

    /// How many rows are in doubt.
    pub(super) fn doubtful(&self) -> i64 {
        self.doubtful
    }

    pub(super) fn total(&self, total: Total) -> Cell {
        let rows = Decimal::from(self.rows);
        match total {
            Total::Count => Cell::Num(rows),
            Total::Exists => Cell::Flag(self.rows > 0),
            Total::Sum => Cell::Num(self.sum),
            Total::Mean if self.rows > 0 => Cell::Num(self.sum / rows),
            Total::Benford => benford(&self.digits).and_then(Decimal::from_f64_retain).map_or(Cell::None, Cell::Num),
            Total::Mean | Total::Min | Total::Max | Total::Sd | Total::Median | Total::Q1 | Total::Q3 => Cell::None,
            Total::Cv | Total::Distinct | Total::Last | Total::First | Total::Changes | Total::Same => Cell::None,
            Total::Steps | Total::Ratios | Total::MeanPer | Total::SdPer | Total::SumLast | Total::Second => Cell::None,
        }
    }
}
