//! Fit of the head model: physical candidates and a committee of surfaces, and a held-out part of the
//! record that decides their weights.

use super::features::{View, columns};
use super::kernel::{Shape, Surface};
use super::process::{Candidate, Storage, search};
use super::soil::Weather;
use super::{nse, rmse};
use crate::forecast::stats::quantile;

/// Fewest heads a fit is made from: a year of weekly readings.
pub const HEADS_MIN: usize = 52;
/// Most days of weather (110 years); keeps a fit below a minute.
pub const DAYS_MAX: usize = 40_000;
/// Share of the record, at its end, that decides the weights of the candidates.
const HELD_OUT: f64 = 0.25;

/// Why no model can be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Too few heads.
    #[error("{have} heads; at least {HEADS_MIN} are needed")]
    TooFew {
        /// Heads given.
        have: usize,
    },
    /// Too much weather.
    #[error("{0} days of weather; at most {DAYS_MAX} are read")]
    TooLong(usize),
    /// The heads do not move.
    #[error("the heads do not vary")]
    Constant,
    /// A head lies outside the weather.
    #[error("a head lies on day {0}, outside the weather")]
    Outside(usize),
}

/// A fitted head model: physical candidates and surfaces, each with its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFit {
    members: Vec<(f64, Member)>,
    /// Nash–Sutcliffe efficiency on the part of the record that decided the weights.
    pub held_out_nse: Option<f64>,
    /// Root mean square error on the fitted record, m.
    pub rmse_m: f64,
    /// Half width of the band that held 95 % of the residuals of the part that decided the weights, m: the
    /// residuals of the fitted record itself are smaller than those to come.
    pub band_m: f64,
}

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lagged,
    Drained,
    Surfaces,
}

/// What answers as one.
#[derive(Debug, Clone, PartialEq)]
enum Member {
    /// A soil and a store.
    Physical(Candidate),
    /// The mean of surfaces over several views.
    Surfaces(Vec<(View, Surface)>),
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Lagged, Kind::Drained, Kind::Surfaces];

    /// `None` when nothing of this kind can be fitted. `warm` is one of the same kind to begin from.
    fn fit(self, weather: &[Weather], heads: &[(usize, f64)], warm: Option<&Member>) -> Option<Member> {
        let storage = match self {
            Kind::Lagged => Storage::Lagged,
            Kind::Drained => Storage::Drained,
            Kind::Surfaces => return Member::surfaces(weather, heads),
        };
        let warm = match warm {
            Some(Member::Physical(candidate)) => Some(candidate),
            Some(Member::Surfaces(_)) | None => None,
        };
        Some(Member::Physical(search(weather, heads, storage, warm)))
    }
}

impl Member {
    fn surfaces(weather: &[Weather], heads: &[(usize, f64)]) -> Option<Member> {
        let mut fitted = Vec::new();
        for view in View::ALL {
            let columns = columns(view, weather);
            fitted.extend(Shape::ALL.iter().filter_map(|shape| Some((view, Surface::fit(*shape, &columns, heads)?))));
        }
        (!fitted.is_empty()).then_some(Member::Surfaces(fitted))
    }

    fn simulate(&self, weather: &[Weather]) -> Vec<f64> {
        match self {
            Member::Physical(candidate) => candidate.simulate(weather),
            Member::Surfaces(surfaces) => {
                let mut mean = vec![0.0; weather.len()];
                for (view, surface) in surfaces {
                    for (sum, head) in mean.iter_mut().zip(surface.simulate(&columns(*view, weather))) {
                        *sum += head / surfaces.len() as f64;
                    }
                }
                mean
            }
        }
    }
}

/// Fits heads `(day, metres)` with `day` an index into `weather`.
///
/// # Errors
/// [`HeadError`] when there is nothing to fit.
pub fn fit(weather: &[Weather], heads: &[(usize, f64)]) -> Result<HeadFit, HeadError> {
    let heads = checked(weather, heads)?;
    // Only the weather up to the last head: a fit never sees what comes after.
    let last = heads.last().map_or(0, |(day, _)| *day);
    let weather = weather.get(..=last).unwrap_or(weather);
    let split = ((1.0 - HELD_OUT) * heads.len() as f64) as usize;
    let (early, late) = heads.split_at(split);
    let known = late.first().map_or(weather.len(), |(day, _)| *day);
    let observed: Vec<f64> = late.iter().map(|(_, head)| *head).collect();
    let mut tried = Vec::new();
    for kind in Kind::ALL {
        let Some(member) = kind.fit(&weather[..known], early, None) else { continue };
        let told = values(&member.simulate(weather), late);
        let error = rmse(&observed, &told).filter(|error| error.is_finite()).unwrap_or(f64::MAX);
        let Some(whole) = kind.fit(weather, &heads, Some(&member)) else { continue };
        tried.push((error, told, whole));
    }
    let best = tried.iter().map(|(error, ..)| *error).fold(f64::INFINITY, f64::min);
    // Fourth power: nearly equal members are averaged, a clearly worse one hardly counts.
    let total: f64 = tried.iter().map(|(error, ..)| (best / error).powi(4)).sum();
    let mut members = Vec::new();
    let mut held = vec![0.0; late.len()];
    for (error, told, whole) in tried {
        let weight = (best / error).powi(4) / total;
        held.iter_mut().zip(told).for_each(|(sum, value)| *sum += weight * value);
        members.push((weight, whole));
    }
    let residuals: Vec<f64> = observed.iter().zip(&held).map(|(o, p)| (o - p).abs()).collect();
    let band_m = quantile(&residuals, 0.95).unwrap_or(f64::NAN);
    let mut fitted = HeadFit { members, held_out_nse: nse(&observed, &held), rmse_m: 0.0, band_m };
    let all: Vec<f64> = heads.iter().map(|(_, head)| *head).collect();
    fitted.rmse_m = rmse(&all, &values(&fitted.simulate(weather), &heads)).unwrap_or(f64::NAN);
    Ok(fitted)
}

impl HeadFit {
    /// Heads of every day of the weather, m.
    pub fn simulate(&self, weather: &[Weather]) -> Vec<f64> {
        let mut heads = vec![0.0; weather.len()];
        for (weight, member) in &self.members {
            for (head, value) in heads.iter_mut().zip(member.simulate(weather)) {
                *head += weight * value;
            }
        }
        heads
    }

    /// Weights of the members: the lagged store, the drained store, the surfaces.
    pub fn weights(&self) -> Vec<f64> {
        self.members.iter().map(|(weight, _)| *weight).collect()
    }
}

fn checked(weather: &[Weather], heads: &[(usize, f64)]) -> Result<Vec<(usize, f64)>, HeadError> {
    let mut heads: Vec<(usize, f64)> = heads.iter().copied().filter(|(_, head)| head.is_finite()).collect();
    heads.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    heads.dedup_by_key(|(day, _)| *day);
    if weather.len() > DAYS_MAX {
        return Err(HeadError::TooLong(weather.len()));
    }
    if heads.len() < HEADS_MIN {
        return Err(HeadError::TooFew { have: heads.len() });
    }
    if let Some((day, _)) = heads.last().filter(|(day, _)| *day >= weather.len()) {
        return Err(HeadError::Outside(*day));
    }
    let (low, high) = heads.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (_, x)| (l.min(*x), h.max(*x)));
    if high <= low {
        return Err(HeadError::Constant);
    }
    Ok(heads)
}

pub(super) fn values(simulated: &[f64], heads: &[(usize, f64)]) -> Vec<f64> {
    heads.iter().map(|(day, _)| simulated.get(*day).copied().unwrap_or(f64::NAN)).collect()
}
