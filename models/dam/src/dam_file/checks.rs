//! Data validation, as written in the dam file.

use minewatch_domain::PointId;
use serde::Deserialize;

/// Data validation of one point; every test is optional.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The point.
    pub point: PointId,
    /// Gross error: outside this the value is bad.
    pub range: Option<[f64; 2]>,
    /// Fastest credible change, unit per hour; a faster one is bad.
    pub step_per_h: Option<f64>,
    /// Persistence: has not moved for too long.
    pub still: Option<Still>,
    /// A lone outlier.
    pub hampel: Option<HampelCheck>,
    /// A small lasting shift.
    pub cusum: Option<Cusum>,
    /// The same, exponentially weighted.
    pub ewma: Option<Ewma>,
    /// Wandering away from neighbours or the barometer.
    pub drift: Option<Drift>,
    /// Held against manual readings.
    pub manual: Option<Manual>,
    /// Internal consistency: never above this point (dew point and temperature).
    pub not_above: Option<PointId>,
}

/// Persistence test.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Still {
    /// Longest stillness, hours.
    pub hours: f64,
    /// What counts as moving, in the point's unit.
    #[serde(default)]
    pub tolerance: f64,
}

/// Hampel identifier.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HampelCheck {
    /// Values in the window, odd, 3 to 101.
    pub window: usize,
    /// Scaled median deviations.
    #[serde(default = "three_sigmas")]
    pub sigmas: f64,
    /// The instrument's resolution: the scale where the window does not move.
    pub resolution: f64,
}

fn three_sigmas() -> f64 {
    3.0
}

/// Two-sided CUSUM of standardised values.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cusum {
    /// In-control mean.
    pub mean: f64,
    /// In-control standard deviation.
    pub sigma: f64,
    /// Decision limit h.
    #[serde(default = "five")]
    pub h: f64,
    /// Slack k.
    #[serde(default = "half")]
    pub k: f64,
}

fn five() -> f64 {
    5.0
}

fn half() -> f64 {
    0.5
}

/// Exponentially weighted moving average chart.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ewma {
    /// In-control mean.
    pub mean: f64,
    /// In-control standard deviation.
    pub sigma: f64,
    /// Weight λ of the newest value.
    pub lambda: f64,
    /// Width L.
    pub l: f64,
}

/// Drift against the median of neighbours (each taken from its own level at the start).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Neighbours, or the barometer.
    pub against: Vec<PointId>,
    /// Window, hours.
    pub window_h: f64,
    /// Largest credible change of the difference within the window, in the point's unit.
    pub limit: f64,
    /// A change of the difference that is not believed at all (swapped wires, another unit): the value is bad
    /// until it comes back or the neighbours follow. Absent: however far it goes alone, it may raise a level.
    pub alone: Option<f64>,
}

/// Manual readings of the same place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// The point of the manual readings.
    pub point: PointId,
    /// Largest credible difference, in the point's unit.
    pub tolerance: f64,
    /// How near in time the automatic value must be, minutes.
    pub within_min: u64,
}

/// Stations that move together when a reference station or the atmosphere does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonMode {
    /// Slug.
    pub id: PointId,
    /// The stations, at least three.
    pub points: Vec<PointId>,
    /// Window in which they move, minutes.
    pub window_min: u64,
    /// Movement that counts, in their unit.
    pub step: f64,
    /// Share of the stations that must move alike, 0.5 to 1.
    #[serde(default = "most")]
    pub share: f64,
}

fn most() -> f64 {
    0.75
}

impl Check {
    /// What is wrong with the numbers.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut need = |good: bool, what: &str| {
            if !good {
                problems.push(what.to_owned());
            }
        };
        let positive = |value: f64| value.is_finite() && value > 0.0;
        need(self.range.is_none_or(|[low, high]| low < high), "range must be [low, high] with low below high");
        need(self.step_per_h.is_none_or(positive), "step_per_h must be above 0");
        if let Some(still) = &self.still {
            need(positive(still.hours) && still.tolerance >= 0.0, "still: hours must be above 0, tolerance 0 or more");
        }
        if let Some(hampel) = &self.hampel {
            let window = (3..=Self::HAMPEL_WINDOW_MAX).contains(&hampel.window) && hampel.window % 2 == 1;
            need(window, "hampel: window must be odd, 3 to 101");
            need(
                positive(hampel.sigmas) && positive(hampel.resolution),
                "hampel: sigmas and resolution must be above 0",
            );
        }
        if let Some(cusum) = &self.cusum {
            need(positive(cusum.sigma) && positive(cusum.h), "cusum: sigma and h must be above 0");
            need(cusum.k.is_finite() && cusum.k >= 0.0 && cusum.mean.is_finite(), "cusum: k must be 0 or more");
        }
        if let Some(ewma) = &self.ewma {
            need(
                positive(ewma.sigma) && positive(ewma.l) && ewma.mean.is_finite(),
                "ewma: sigma and l must be above 0",
            );
            need(ewma.lambda > 0.0 && ewma.lambda <= 1.0, "ewma: lambda must be above 0, at most 1");
        }
        if let Some(drift) = &self.drift {
            need(!drift.against.is_empty(), "drift: against is empty");
            need(!drift.against.contains(&self.point), "drift: a point cannot be its own neighbour");
            need(positive(drift.limit) && positive(drift.window_h), "drift: limit and window_h must be above 0");
            need(drift.alone.is_none_or(|alone| alone > drift.limit), "drift: alone must be above limit");
        }
        if let Some(manual) = &self.manual {
            need(
                positive(manual.tolerance) && manual.within_min > 0,
                "manual: tolerance and within_min must be above 0",
            );
        }
        problems
    }

    /// Longest Hampel window: a longer one would hide a real step for too long.
    pub const HAMPEL_WINDOW_MAX: usize = 101;
}
