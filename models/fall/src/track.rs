//! Who is who from picture to picture: a greedy tracker that follows people through missed detections.
//!
//! Invariant: at most [`TRACKS_MAX`] people, each with at most [`SAMPLES_MAX`] samples; a sample is only
//! ever a pose that was seen. Time only moves forward: an earlier or repeated time is not taken.
//! Deliberately absent: what a track means (`decide`).

use crate::pose::{Pose, Spot};
use std::collections::VecDeque;

/// People followed at once in one picture; further ones are not followed and counted.
pub const TRACKS_MAX: usize = 24;
/// Samples kept per person: 8 s at 30 pictures a second.
pub const SAMPLES_MAX: usize = 256;
/// Samples older than that say nothing about a fall that happens now.
const AGE_MS_MAX: i64 = 8_000;
/// A person not seen for that long is given up.
pub(crate) const LOST_MS_MAX: i64 = 4_000;
/// How far the trunk may be from where it is expected, in body heights, and how fast that grows while unseen.
const GATE: f32 = 0.45;
const GATE_PER_S: f32 = 1.2;
const GATE_MAX: f32 = 1.3;
/// Limbs are shorter than the body by foreshortening most of the time: this quantile of them is the height.
const HEIGHT_QUANTILE: f32 = 0.75;
/// A height that is younger than this many samples may still grow or shrink freely.
const HEIGHT_MIN: f32 = 0.02;

/// One look at a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When, in milliseconds of the camera's time.
    pub at_ms: i64,
    /// The pose, as seen.
    pub pose: Pose,
}

/// One person followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Number, unique per camera since its start.
    pub id: u64,
    /// What was seen, oldest first; never empty.
    pub samples: VecDeque<Sample>,
    /// When it was first seen.
    pub since_ms: i64,
    /// Standing height in picture heights.
    pub height: f32,
}

impl Track {
    fn begin(id: u64, sample: Sample) -> Self {
        let height = sample.pose.height_by_limbs().max(HEIGHT_MIN);
        Self { id, since_ms: sample.at_ms, height, samples: VecDeque::from([sample]) }
    }

    /// The newest sample.
    #[must_use]
    pub fn last(&self) -> &Sample {
        &self.samples[self.samples.len() - 1]
    }

    /// Where the trunk is expected, from its motion over the last two samples, damped.
    fn expected(&self, at_ms: i64) -> Spot {
        let last = self.last();
        let here = last.pose.trunk();
        let Some(before) = self.samples.iter().rev().find(|sample| last.at_ms - sample.at_ms >= 80) else {
            return here;
        };
        let ahead_ms = (at_ms - last.at_ms).min(300) as f32;
        let share = 0.7 * ahead_ms / (last.at_ms - before.at_ms) as f32;
        let was = before.pose.trunk();
        Spot { x: here.x + (here.x - was.x) * share, y: here.y + (here.y - was.y) * share }
    }

    fn see(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES_MAX || sample.at_ms - self.samples[0].at_ms > AGE_MS_MAX {
            self.samples.pop_front();
        }
        self.height = quantile_of_heights(&self.samples).max(HEIGHT_MIN);
    }
}

/// The height by its limbs that a quarter of the samples exceeds; poses of little certainty say little.
fn quantile_of_heights(samples: &VecDeque<Sample>) -> f32 {
    const SURE: f32 = 0.25;
    let mut heights: Vec<f32> =
        samples.iter().filter(|sample| sample.pose.score >= SURE).map(|sample| sample.pose.height_by_limbs()).collect();
    if heights.is_empty() {
        heights = samples.iter().map(|sample| sample.pose.height_by_limbs()).collect();
    }
    heights.sort_by(f32::total_cmp);
    heights[((heights.len() - 1) as f32 * HEIGHT_QUANTILE).round() as usize]
}

/// The people in front of one camera.
#[derive(Debug, Clone)]
pub struct Tracker {
    tracks: Vec<Track>,
    appear: f32,
    follow: f32,
    next: u64,
    last_ms: Option<i64>,
    refused: u64,
}

impl Tracker {
    /// A tracker that believes new people from a certainty of `appear` on, known ones from `follow` on.
    #[must_use]
    pub fn new(appear: f32, follow: f32) -> Self {
        Self { tracks: Vec::new(), appear, follow, next: 1, last_ms: None, refused: 0 }
    }

    /// People followed now, also those unseen for a moment.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// People not followed because there were too many.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes the poses of one picture and gives back the people given up with it. False time (not after
    /// the last) changes nothing.
    pub fn see(&mut self, poses: &[Pose], at_ms: i64) -> Vec<Track> {
        if self.last_ms.is_some_and(|last| at_ms <= last) {
            return Vec::new();
        }
        self.last_ms = Some(at_ms);
        let mut taken = vec![false; poses.len()];
        let mut updated = vec![false; self.tracks.len()];
        for (track, pose) in self.pairs(poses, at_ms) {
            if !updated[track] && !taken[pose] {
                updated[track] = true;
                taken[pose] = true;
                self.tracks[track].see(Sample { at_ms, pose: poses[pose] });
            }
        }
        for (pose, _) in poses.iter().zip(&taken).filter(|(pose, taken)| !**taken && pose.score >= self.appear) {
            if self.tracks.len() >= TRACKS_MAX {
                self.refused += 1;
                continue;
            }
            self.tracks.push(Track::begin(self.next, Sample { at_ms, pose: *pose }));
            self.next += 1;
        }
        let (lost, kept) = self.tracks.drain(..).partition(|track| at_ms - track.last().at_ms > LOST_MS_MAX);
        self.tracks = kept;
        lost
    }

    /// Every possible pair of a track and a pose, the likeliest first.
    fn pairs(&self, poses: &[Pose], at_ms: i64) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let expected = track.expected(at_ms);
            let unseen_s = (at_ms - track.last().at_ms) as f32 / 1000.0;
            let gate = (GATE + GATE_PER_S * unseen_s).min(GATE_MAX) * track.height;
            for (p, pose) in poses.iter().enumerate().filter(|(_, pose)| pose.score >= self.follow) {
                let distance = pose.trunk().distance(expected);
                if distance <= gate {
                    // A sure pose is taken before an unsure one a little nearer.
                    pairs.push((distance / track.height.max(HEIGHT_MIN) - 0.3 * pose.score, t, p));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.into_iter().map(|(_, track, pose)| (track, pose)).collect()
    }
}
