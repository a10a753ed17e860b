//! The place: ground, wall, scaffold, and what weather and light do to the picture.

use super::canvas::{Canvas, Colour};
use super::figure::{Clothes, Figure};
use super::motion::{SCAFFOLD, Scenario};

/// What disturbs the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Disturbance {
    /// Daylight.
    None,
    /// Little light and much noise.
    Night,
    /// Rain streaks.
    Rain,
    /// Half of the yard is behind a stack of drums.
    Occlusion,
}

/// A scene that can be drawn at any time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scene {
    /// What happens.
    pub(crate) scenario: Scenario,
    /// What disturbs.
    pub(crate) disturbance: Disturbance,
    /// Seed of noise and of where the people start.
    pub(crate) seed: u64,
    /// Height of a person as a share of the picture's height.
    pub(crate) person: f32,
}

const CLOTHES: [Clothes; 3] = [
    Clothes { vest: [255.0, 150.0, 20.0], trousers: [44.0, 62.0, 110.0], helmet: [250.0, 210.0, 40.0] },
    Clothes { vest: [190.0, 235.0, 40.0], trousers: [60.0, 60.0, 64.0], helmet: [240.0, 240.0, 240.0] },
    Clothes { vest: [240.0, 80.0, 40.0], trousers: [90.0, 80.0, 60.0], helmet: [60.0, 120.0, 220.0] },
];

/// Share of the picture's height at which the ground begins, and where people stand.
const HORIZON: f32 = 0.42;
const FEET: f32 = 0.92;

impl Scene {
    /// Draws the picture of a time.
    pub(crate) fn draw(&self, t_s: f32, width: usize, height: usize) -> Vec<u8> {
        let mut canvas = Canvas::new(width, height);
        self.ground(&mut canvas);
        let t = t_s.rem_euclid(self.scenario.period_s());
        let tall = self.person * height as f32;
        if matches!(self.scenario, Scenario::Scaffold | Scenario::Ladder) {
            self.scaffold(&mut canvas, tall);
        }
        let mut people: Vec<Figure> = Vec::new();
        for (moment, clothes) in self.scenario.people(t).into_iter().zip(CLOTHES.iter().cycle()) {
            let ground = (moment.x * width as f32, FEET * height as f32 - moment.above * tall);
            people.push(Figure {
                ground,
                height: tall,
                facing: moment.facing,
                posture: moment.posture,
                clothes: *clothes,
            });
        }
        people.iter().for_each(|figure| figure.draw(&mut canvas));
        if self.disturbance == Disturbance::Occlusion {
            drums(&mut canvas);
        }
        self.weather(&mut canvas, t_s);
        canvas.rgb
    }

    fn ground(&self, canvas: &mut Canvas) {
        let (width, height) = (canvas.width, canvas.height);
        let horizon = (HORIZON * height as f32) as usize;
        for y in 0..height {
            for x in 0..width {
                let grain = f32::from(noise(self.seed, x as u64 / 2, y as u64 / 2, 0)) / 255.0 - 0.5;
                let patch = f32::from(noise(self.seed, x as u64 / 40, y as u64 / 24, 1)) / 255.0 - 0.5;
                let base: Colour = if y < horizon { [168.0, 176.0, 182.0] } else { [128.0, 122.0, 112.0] };
                canvas.set(x, y, base.map(|c| c + 18.0 * grain + 16.0 * patch));
            }
        }
        let (w, h) = (width as f32, height as f32);
        canvas.block((0.72 * w, 0.14 * h), (0.95 * w, HORIZON * h), [146.0, 118.0, 96.0]);
        canvas.block((0.77 * w, 0.22 * h), (0.82 * w, 0.32 * h), [70.0, 84.0, 96.0]);
        canvas.block((0.86 * w, 0.24 * h), (0.92 * w, HORIZON * h), [88.0, 74.0, 66.0]);
        canvas.block((0.05 * w, 0.30 * h), (0.20 * w, 0.46 * h), [106.0, 112.0, 92.0]);
    }

    fn scaffold(&self, canvas: &mut Canvas, tall: f32) {
        let (w, h) = (canvas.width as f32, canvas.height as f32);
        let deck = FEET * h - SCAFFOLD * tall;
        let steel = [92.0, 96.0, 104.0];
        for x in [0.28, 0.36, 0.44, 0.50] {
            canvas.block((x * w, deck), (x * w + 4.0, FEET * h), steel);
        }
        canvas.block((0.26 * w, deck), (0.52 * w, deck + 7.0), [150.0, 122.0, 84.0]);
        for rung in 1..8 {
            let y = deck + (FEET * h - deck) * rung as f32 / 8.0;
            canvas.block((0.38 * w, y), (0.44 * w, y + 3.0), steel);
        }
    }

    fn weather(&self, canvas: &mut Canvas, t_s: f32) {
        let frame = (t_s * 1_000.0) as u64;
        let (gain, grain) = match self.disturbance {
            Disturbance::None | Disturbance::Occlusion => (1.0, 6.0),
            Disturbance::Rain => (0.85, 8.0),
            Disturbance::Night => (0.32, 22.0),
        };
        let width = canvas.width;
        for (i, pixel) in canvas.rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let n = f32::from(noise(self.seed ^ frame, (i % width) as u64, (i / width) as u64, 2)) / 255.0 - 0.5;
            for byte in pixel.iter_mut() {
                *byte = (f32::from(*byte) * gain + n * grain).clamp(0.0, 255.0) as u8;
            }
        }
        if self.disturbance == Disturbance::Rain {
            self.rain(canvas, frame);
        }
    }

    fn rain(&self, canvas: &mut Canvas, frame: u64) {
        let (w, h) = (canvas.width as f32, canvas.height as f32);
        for drop in 0..160u64 {
            let x = f32::from(noise(self.seed, drop, frame, 3)) / 255.0 * w + (drop % 7) as f32 * 3.0;
            let y = f32::from(noise(self.seed, drop, frame, 4)) / 255.0 * h;
            canvas.limb((x, y), (x - 2.0, y + 0.05 * h), 0.6, 0.6, [205.0, 210.0, 216.0]);
        }
    }
}

fn drums(canvas: &mut Canvas) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    for x in [0.44, 0.50, 0.56] {
        canvas.block((x * w, 0.72 * h), ((x + 0.055) * w, 0.97 * h), [44.0, 96.0, 140.0]);
        canvas.block((x * w, 0.80 * h), ((x + 0.055) * w, 0.82 * h), [30.0, 66.0, 98.0]);
    }
}

/// A number from 0 to 255 that follows from its arguments (a small integer hash).
fn noise(seed: u64, a: u64, b: u64, c: u64) -> u8 {
    let mut z = seed ^ a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ (c << 56);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 56) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(scenario: Scenario) -> Scene {
        Scene { scenario, disturbance: Disturbance::None, seed: 7, person: 0.5 }
    }

    #[test]
    fn the_same_moment_is_the_same_picture() {
        let a = scene(Scenario::Demo).draw(31.0, 160, 90);
        assert_eq!(a, scene(Scenario::Demo).draw(31.0, 160, 90));
        assert_eq!(a.len(), 160 * 90 * 3);
        assert_ne!(a, scene(Scenario::Demo).draw(29.0, 160, 90));
    }

    #[test]
    fn night_is_darker_than_day() {
        let mean = |rgb: Vec<u8>| rgb.iter().map(|b| u64::from(*b)).sum::<u64>() / rgb.len() as u64;
        let day = mean(scene(Scenario::Walk).draw(1.0, 160, 90));
        let night = mean(Scene { disturbance: Disturbance::Night, ..scene(Scenario::Walk) }.draw(1.0, 160, 90));
        assert!(night * 2 < day, "{night} against {day}");
    }
}
