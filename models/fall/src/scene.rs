//! A figure before a camera, as the decision would see it: poses with the faults of a pose model.
//!
//! Invariant: the same act, seed and rate give the same poses. Deliberately absent: pixels.

use crate::figure::{Act, Draw, Figure, View};
use crate::pose::Pose;

/// A picture of people is missed that often although they are there.
const MISSED: f32 = 0.04;
/// Noise of a key point, in body heights.
const NOISE: f32 = 0.012;
/// How long a film goes on after the act began, in seconds.
const AFTER_S: f32 = 9.0;

/// What one camera sees of one figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// The figure.
    pub figure: Figure,
    /// The camera.
    pub view: View,
    /// Milliseconds and the poses seen then.
    pub frames: Vec<(i64, Vec<Pose>)>,
    /// When the fall has ended, in seconds of the film; nothing for other acts.
    pub ends_s: Option<f32>,
}

/// Films a figure at `fps` pictures a second, its motion stretched `slow` times.
#[must_use]
pub fn film(act: Act, seed: u64, fps: f32, slow: f32) -> Film {
    let mut draw = Draw::new(seed.wrapping_mul(64).wrapping_add(act as u64));
    let away = draw.between(4.0, 9.0);
    let feet = [draw.between(-1.2, 1.2), away, if act == Act::Hang { draw.between(1.0, 2.0) } else { 0.0 }];
    let figure = Figure::drawn(act, feet, &mut draw);
    let height_m = draw.between(2.2, 4.5);
    let view = View {
        height_m,
        pitch: ((height_m - 1.0 - figure.descends_m / 2.0) / away).atan() + draw.between(-0.06, 0.06),
        focal: draw.between(0.8, 1.2),
        aspect: 16.0 / 9.0,
    };
    let length_s = (figure.begins_s + figure.takes_s * 2.0 + figure.keeps_s + AFTER_S) * slow;
    let count = (length_s * fps) as u32;
    let frames = (0..count)
        .map(|number| {
            let at_s = number as f32 / fps;
            let seen = draw.between(0.0, 1.0) >= MISSED;
            let pose = view.pose(&figure.joints_at(at_s / slow), NOISE, &mut draw).filter(|_| seen);
            ((at_s * 1000.0).round() as i64, pose.into_iter().collect())
        })
        .collect();
    let ends_s = figure.ends_s().map(|ends| ends * slow);
    Film { figure, view, frames, ends_s }
}
