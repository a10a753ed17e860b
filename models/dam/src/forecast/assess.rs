//! The chain of questions: enough data? own movement? above noise? accelerating? still? bounded?

use super::common::{self, Cleaned, Reference};
use super::fit;
use super::inverse;
use super::onset::{Crossing, OnsetSettings, crossing, velocity_noise};
use super::stats::median;
use super::track::{Kind, Mark, Track};
use super::{Abstention, Failure, Outlook};

/// How a forecast is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastSettings {
    /// What counts as an onset.
    pub onset: OnsetSettings,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// Shortest block, days; 0 begins with the values as measured. Longer blocks follow by [`SCALE`].
    pub block_d: f64,
    /// Longest hole of a reference that is interpolated over, days.
    pub hole_d: f64,
    /// Refits of the bootstrap.
    pub rounds: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// The present velocity must be at least this share of the highest since the onset.
    pub peak_share: f64,
}

impl Default for ForecastSettings {
    fn default() -> ForecastSettings {
        ForecastSettings {
            onset: OnsetSettings::default(),
            confidence: 0.95,
            block_d: 0.0,
            hole_d: 30.0,
            rounds: 400,
            seed: 1,
            peak_share: 0.7,
        }
    }
}

/// Factor from one block length to the next.
const SCALE: f64 = 3.0;
/// Block lengths tried.
const SCALES_MAX: usize = 6;
/// Fewest blocks of a scale: a long average, the crossing and as much again of quiet before it.
const BLOCKS_MIN: usize = 16;
/// Fewest values since the onset that a law with three parameters is fitted to.
const FIT_MIN: usize = 6;
/// Values a law is fitted to at most; longer windows are averaged to this.
const FIT_MAX: usize = 120;
/// From this lag-one autocorrelation on the line's interval is bootstrapped as well.
const DEPENDENT: f64 = 0.2;
/// Steps of track and reference that correlate so much are alike.
const ALIKE: f64 = 0.5;

/// Assesses a track. `mass` are further tracks of the same moving mass, which share its failure time;
/// `reference` is what the movement is held against.
///
/// Tries block lengths from the finest to coarser ones: fine blocks see a fast failure early, coarse
/// ones see slow acceleration under noise. The first that gives a bounded failure time is told,
/// otherwise the abstention that came furthest.
pub fn assess(track: &Track, mass: &[Track], reference: Option<Reference<'_>>, settings: &ForecastSettings) -> Outlook {
    let mut furthest: Option<Abstention> = None;
    for block_d in scales(track, settings) {
        match at_scale(track, mass, reference, settings, block_d) {
            Ok(failure) => return Outlook::Failure(Box::new(failure)),
            Err(why) => {
                if furthest.is_none_or(|known| why.reached() > known.reached()) {
                    furthest = Some(why);
                }
            }
        }
    }
    Outlook::Abstain(furthest.unwrap_or(Abstention::TooFew { have: track.marks().len(), need: BLOCKS_MIN }))
}

/// Block lengths with enough blocks; always at least the first.
fn scales(track: &Track, settings: &ForecastSettings) -> Vec<f64> {
    let days: Vec<f64> = track.marks().iter().map(|mark| mark.day).collect();
    let steps: Vec<f64> = days.iter().zip(days.iter().skip(1)).map(|(a, b)| b - a).collect();
    let span = days.first().zip(days.last()).map_or(0.0, |(first, last)| last - first);
    let step = median(&steps).unwrap_or(0.0);
    let mut scales = vec![settings.block_d];
    let mut block = settings.block_d.max(step);
    while scales.len() < SCALES_MAX {
        block *= SCALE;
        if block <= 0.0 || span / block < BLOCKS_MIN as f64 {
            break;
        }
        scales.push(block);
    }
    scales
}

fn at_scale(
    track: &Track,
    mass: &[Track],
    reference: Option<Reference<'_>>,
    settings: &ForecastSettings,
    block_d: f64,
) -> Result<Failure, Abstention> {
    let raw = track.blocks(block_d);
    let have = raw.marks().len();
    if have < settings.onset.long + settings.onset.in_a_row {
        return Err(Abstention::TooFew { have, need: settings.onset.long + settings.onset.in_a_row });
    }
    let sign = raw.direction();
    let raw = raw.scaled(sign);
    let cleaned = reference.and_then(|reference| clean(&raw, reference, sign, settings, block_d));
    let own = cleaned.as_ref().map_or(&raw, |cleaned| &cleaned.track);
    let seen = accelerating(own, &raw, cleaned.as_ref(), settings)?;
    let onset = onset_day(own, &seen, settings);
    let fine = |track: &Track, sign: f64| {
        let track = track.scaled(sign);
        let cleaned = reference.and_then(|reference| clean(&track, reference, sign, settings, 0.0));
        cleaned.map_or(track, |cleaned| cleaned.track)
    };
    let whole = fine(track, sign);
    let from = window_start(&whole, onset, settings);
    let mut tracks = vec![part(&without_creep(&whole, from), from)];
    tracks.extend(mass.iter().map(|other| {
        let other = fine(other, other.direction());
        part(&without_creep(&other, from), from)
    }));
    forecast(&tracks, own, onset, settings, block_d)
}

/// Takes the steady creep before `from` off a displacement: the law describes what was added to it.
/// Without a quiet time long enough to measure the creep the track stays as it is.
fn without_creep(track: &Track, from: f64) -> Track {
    const QUIET_MIN: usize = 10;
    const QUIET_PARTS: f64 = 12.0;
    let quiet: Vec<Mark> = track.marks().iter().copied().filter(|mark| mark.day < from).collect();
    let last = track.marks().last().map_or(from, |mark| mark.day);
    let first_day = quiet.first().map_or(from, |mark| mark.day);
    let long_enough = from - first_day >= (last - from) / 4.0;
    if track.kind() != Kind::Displacement || quiet.len() < QUIET_MIN || !long_enough {
        return track.clone();
    }
    // The median over parts: the window may begin after the onset, and then the last parts accelerate.
    let parts = Track::new(track.kind(), quiet).blocks((from - first_day) / QUIET_PARTS);
    let rates: Vec<f64> = parts.velocities().iter().map(|mark| mark.value).collect();
    let creep = median(&rates).unwrap_or(0.0).max(0.0);
    Track::new(track.kind(), track.marks().iter().map(|m| Mark { day: m.day, value: m.value - creep * (m.day - from) }))
}

/// The track from a day on, averaged where it has more values than a fit needs.
fn part(track: &Track, from: f64) -> Track {
    let part = track.since(from);
    let span = part.marks().first().zip(part.marks().last()).map_or(0.0, |(a, b)| b.day - a.day);
    if part.marks().len() > FIT_MAX { part.blocks(span / FIT_MAX as f64) } else { part }
}

/// Where the fit begins. Under noise moving averages see an onset late or find one in the quiet before,
/// and a short window bounds nothing; so of windows shorter and longer the longest is taken over which
/// the law fits as well as it does near the end.
fn window_start(track: &Track, onset: f64, settings: &ForecastSettings) -> f64 {
    const LENGTHS: [f64; 14] = [0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    /// Below so many values a small residual is luck.
    const JUDGED_MIN: usize = 20;
    let Some(last) = track.marks().last().map(|mark| mark.day) else { return onset };
    let earliest = track.marks().first().map_or(onset, |mark| mark.day);
    let mut tried = Vec::new();
    for length in LENGTHS {
        let from = last - (last - onset) * length;
        if from < earliest && length > 1.0 {
            break;
        }
        let part = part(track, from);
        if let Some(fit) = fit::fit(std::slice::from_ref(&part), 2.0, settings.confidence) {
            tried.push((from, fit.variance, part.marks().len()));
        }
    }
    let judged = tried.iter().filter(|(_, _, n)| *n >= JUDGED_MIN);
    let Some((_, best, n)) = judged.min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return tried.last().map_or(onset, |(from, _, _)| *from);
    };
    // Two standard deviations of a variance estimated from so many values.
    let as_well = best * (1.0 + 2.0 * (2.0 / *n as f64).sqrt());
    let fitting = tried.iter().filter(|(_, variance, _)| *variance <= as_well).map(|(from, _, _)| *from);
    fitting.fold(last, f64::min)
}

fn clean(
    track: &Track,
    reference: Reference<'_>,
    sign: f64,
    settings: &ForecastSettings,
    block_d: f64,
) -> Option<Cleaned> {
    match reference {
        Reference::Stable(stable) => {
            let stable = stable.blocks(block_d).scaled(sign);
            common::remove(track, Reference::Stable(&stable), settings.hole_d)
        }
        Reference::Neighbours(others) => {
            let others: Vec<Track> = others.iter().map(|other| other.blocks(block_d).scaled(sign)).collect();
            common::remove(track, Reference::Neighbours(&others), settings.hole_d)
        }
    }
}

/// Whether the track itself accelerates above its noise, or why that cannot be said.
fn accelerating(
    own: &Track,
    raw: &Track,
    cleaned: Option<&Cleaned>,
    settings: &ForecastSettings,
) -> Result<Crossing, Abstention> {
    let need = settings.onset.long + 1;
    let too_few = || Abstention::TooFew { have: own.marks().len(), need };
    let velocities = own.velocities();
    let now = crossing(&velocities, &settings.onset).ok_or_else(too_few)?;
    let floor = floor(&velocities, settings).ok_or_else(too_few)?;
    if let Some(cleaned) = cleaned {
        let raw_velocities = raw.velocities();
        let before = crossing(&raw_velocities, &settings.onset).ok_or_else(too_few)?;
        let likeness = cleaned.likeness;
        let alike =
            likeness.correlation.is_some_and(|r| r >= ALIKE) && likeness.own_step.abs() < likeness.raw_step.abs() / 2.0;
        let looked_real = crossing_noise(&raw_velocities, &before, settings);
        if now.short <= floor && (looked_real || alike) {
            return Err(Abstention::CommonMode { raw: before.short, own: now.short, floor, likeness });
        }
    }
    let peak = recent_peak(&velocities, settings).max(now.peak);
    if peak > floor && now.short < settings.peak_share * peak {
        let slowed = peak - now.short > floor * 2.0 / settings.onset.sigmas;
        if slowed && now.lasting < settings.onset.in_a_row {
            return Err(Abstention::NonMonotone { peak, now: now.short });
        }
    }
    if now.short <= floor {
        return Err(Abstention::BelowNoise { velocity: now.short, floor, reference_used: cleaned.is_some() });
    }
    if now.lasting < settings.onset.in_a_row {
        let need = settings.onset.in_a_row;
        return Err(Abstention::NoTrend { short: now.short, long: now.long, lasting: now.lasting, need });
    }
    if now.short < settings.peak_share * peak {
        return Err(Abstention::NonMonotone { peak, now: now.short });
    }
    Ok(now)
}

/// Noise floor of the short moving average of velocities.
fn floor(velocities: &[Mark], settings: &ForecastSettings) -> Option<f64> {
    let noise = velocity_noise(velocities)?;
    Some(settings.onset.sigmas * noise / (settings.onset.short.max(1) as f64).sqrt())
}

fn crossing_noise(velocities: &[Mark], now: &Crossing, settings: &ForecastSettings) -> bool {
    floor(velocities, settings).is_some_and(|floor| now.short > floor)
}

/// Highest short average of the last three long averages' worth of velocities.
fn recent_peak(velocities: &[Mark], settings: &ForecastSettings) -> f64 {
    let values: Vec<f64> = velocities.iter().map(|mark| mark.value).collect();
    let from = values.len().saturating_sub(3 * settings.onset.long);
    (from..values.len())
        .filter_map(|index| super::onset::moving_average(&values, index, settings.onset.short))
        .fold(0.0, f64::max)
}

/// The day the acceleration began: the moving average lags by its own length.
fn onset_day(own: &Track, seen: &Crossing, settings: &ForecastSettings) -> f64 {
    let velocities = own.velocities();
    let began = seen.began.saturating_sub(settings.onset.short - 1);
    let first = own.marks().first().map_or(0.0, |mark| mark.day);
    match own.kind() {
        Kind::Velocity => velocities.get(began).map_or(first, |mark| mark.day),
        // The velocity of index i lies between the marks i and i + 1.
        Kind::Displacement => own.marks().get(began).map_or(first, |mark| mark.day),
    }
}

fn forecast(
    tracks: &[Track],
    own: &Track,
    onset: f64,
    settings: &ForecastSettings,
    block_d: f64,
) -> Result<Failure, Abstention> {
    let have = tracks.first().map_or(0, |track| track.marks().len());
    if have < FIT_MIN {
        return Err(Abstention::TooFew { have, need: FIT_MIN });
    }
    let unbounded = |fit: Option<&fit::LawFit>| Abstention::UnboundedCi {
        best: fit.map(|fit| fit.tf),
        unexplained: fit.map(|fit| fit.unexplained),
    };
    let fukuzono = fit::fit(tracks, 2.0, settings.confidence).ok_or_else(|| unbounded(None))?;
    let bounded = fukuzono.interval.ok_or_else(|| unbounded(Some(&fukuzono)))?;
    let voight = fit::fit_free(tracks, settings.confidence);
    let second = voight.and_then(|voight| voight.interval);
    let models_agree = second.is_none_or(|interval| interval.holds(fukuzono.tf));
    let interval = match second {
        Some(interval) if !models_agree => bounded.hull(&interval),
        Some(_) | None => bounded,
    };
    let velocities: Vec<Mark> = own.since(onset).velocities();
    let line = inverse::fit(&velocities, settings.confidence);
    let line_bootstrap = line
        .filter(|line| line.dependence > DEPENDENT)
        .and_then(|_| inverse::bootstrap(&velocities, settings.confidence, settings.rounds, settings.seed));
    Ok(Failure { tf: fukuzono.tf, interval, models_agree, fukuzono, voight, line, line_bootstrap, onset, block_d })
}
