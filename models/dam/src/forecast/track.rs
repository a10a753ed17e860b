//! A series of one quantity over time, cleaned of what no estimate may see.
//!
//! Invariant: marks are finite, sorted by time and have distinct times, whatever order they came in.
//! Times are days since any fixed zero. Not here: where values come from, or whether they are trusted.

use super::stats::median;

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Time, days since a zero of the caller's choice.
    pub day: f64,
    /// Displacement (mm) or velocity (unit of length per day), as the caller's [`Kind`] says.
    pub value: f64,
}

/// What the values of a track are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Displacement along the movement direction.
    Displacement,
    /// Velocity along the movement direction, per day.
    Velocity,
}

/// A cleaned series.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    kind: Kind,
    marks: Vec<Mark>,
}

impl Track {
    /// Sorts by time, leaves out what is not finite and all but the first of equal times.
    pub fn new(kind: Kind, marks: impl IntoIterator<Item = Mark>) -> Track {
        let mut marks: Vec<Mark> =
            marks.into_iter().filter(|mark| mark.day.is_finite() && mark.value.is_finite()).collect();
        marks.sort_by(|a, b| a.day.total_cmp(&b.day).then(a.value.total_cmp(&b.value)));
        marks.dedup_by(|later, first| later.day <= first.day);
        Track { kind, marks }
    }

    /// What the values are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The marks, oldest first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The marks up to and including `day`.
    pub fn until(&self, day: f64) -> Track {
        Track { kind: self.kind, marks: self.marks.iter().copied().filter(|mark| mark.day <= day).collect() }
    }

    /// The marks from `day` on.
    pub fn since(&self, day: f64) -> Track {
        Track { kind: self.kind, marks: self.marks.iter().copied().filter(|mark| mark.day >= day).collect() }
    }

    /// Means over blocks of `block_d` days that end at the last mark, so that the errors of neighbouring
    /// values are less dependent and the newest block is always whole. Blocks without a mark are left
    /// out, never filled. A length that is not positive leaves the track as it is.
    pub fn blocks(&self, block_d: f64) -> Track {
        let Some(last) = self.marks.last().filter(|_| block_d > 0.0) else { return self.clone() };
        let mut blocks: Vec<(i64, f64, f64, f64)> = Vec::new();
        for mark in &self.marks {
            // Counted from the end; a mark exactly on a border belongs to the newer block.
            let index = -(((last.day - mark.day) / block_d) + 1e-9).floor() as i64;
            match blocks.last_mut() {
                Some((at, days, sum, n)) if *at == index => {
                    *days += mark.day;
                    *sum += mark.value;
                    *n += 1.0;
                }
                Some(_) | None => blocks.push((index, mark.day, mark.value, 1.0)),
            }
        }
        let marks = blocks.into_iter().map(|(_, days, sum, n)| Mark { day: days / n, value: sum / n }).collect();
        Track { kind: self.kind, marks }
    }

    /// Velocities: differences of a displacement over the time between, or the values themselves.
    pub fn velocities(&self) -> Vec<Mark> {
        match self.kind {
            Kind::Velocity => self.marks.clone(),
            Kind::Displacement => {
                let pairs = self.marks.iter().zip(self.marks.iter().skip(1));
                pairs.map(|(a, b)| Mark { day: b.day, value: (b.value - a.value) / (b.day - a.day) }).collect()
            }
        }
    }

    /// The value at `day` by straight interpolation; `None` outside the series or inside a hole longer
    /// than `hole_d` days: nothing is extrapolated.
    pub fn at(&self, day: f64, hole_d: f64) -> Option<f64> {
        let after = self.marks.partition_point(|mark| mark.day < day);
        let next = self.marks.get(after)?;
        if next.day <= day {
            return Some(next.value);
        }
        let before = self.marks.get(after.checked_sub(1)?)?;
        let hole = next.day - before.day;
        (hole <= hole_d).then(|| before.value + (next.value - before.value) * (day - before.day) / hole)
    }

    /// Turns the track so that it moves in the positive direction: `-1` where its overall change is
    /// negative. A signed velocity around zero would make 1/v explode.
    pub fn direction(&self) -> f64 {
        let third = (self.marks.len() / 3).max(1);
        let values: Vec<f64> = self.marks.iter().map(|mark| mark.value).collect();
        let change = match self.kind {
            Kind::Velocity => median(&values),
            Kind::Displacement => {
                let early = median(values.get(..third).unwrap_or_default());
                let late = median(values.get(values.len().saturating_sub(third)..).unwrap_or_default());
                late.zip(early).map(|(late, early)| late - early)
            }
        };
        if change.is_some_and(|change| change < 0.0) { -1.0 } else { 1.0 }
    }

    /// The track times `factor`.
    pub fn scaled(&self, factor: f64) -> Track {
        let marks = self.marks.iter().map(|mark| Mark { day: mark.day, value: mark.value * factor }).collect();
        Track { kind: self.kind, marks }
    }
}

/// Projects a three-dimensional movement on its own direction: the direction of the change between the
/// median of the first and of the last third of the marks, so that noise across it does not count.
/// `None` for fewer than three marks or no movement at all.
pub fn project(marks: &[(f64, [f64; 3])]) -> Option<Track> {
    let third = marks.len() / 3;
    if third == 0 {
        return None;
    }
    let component = |part: &[(f64, [f64; 3])], axis: usize| {
        median(&part.iter().map(|(_, at)| at.get(axis).copied().unwrap_or(f64::NAN)).collect::<Vec<_>>())
    };
    let (early, late) = (marks.get(..third)?, marks.get(marks.len() - third..)?);
    let mut direction = [0.0; 3];
    for (axis, part) in direction.iter_mut().enumerate() {
        *part = component(late, axis)? - component(early, axis)?;
    }
    let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
    if !(length > 0.0 && length.is_finite()) {
        return None;
    }
    let along = |at: &[f64; 3]| at.iter().zip(direction).map(|(x, d)| x * d / length).sum::<f64>();
    Some(Track::new(Kind::Displacement, marks.iter().map(|(day, at)| Mark { day: *day, value: along(at) })))
}
