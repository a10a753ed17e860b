//! Draws people on a picture, and makes heads unrecognisable. Pure.

use minewatch_fall::{Joint, Pose};

/// Key points below this certainty are not drawn.
const DRAWN_MIN: f32 = 0.2;

/// Lines between joints.
const BONES: [(Joint, Joint); 14] = [
    (Joint::LeftShoulder, Joint::RightShoulder),
    (Joint::LeftShoulder, Joint::LeftElbow),
    (Joint::LeftElbow, Joint::LeftWrist),
    (Joint::RightShoulder, Joint::RightElbow),
    (Joint::RightElbow, Joint::RightWrist),
    (Joint::LeftShoulder, Joint::LeftHip),
    (Joint::RightShoulder, Joint::RightHip),
    (Joint::LeftHip, Joint::RightHip),
    (Joint::LeftHip, Joint::LeftKnee),
    (Joint::LeftKnee, Joint::LeftAnkle),
    (Joint::RightHip, Joint::RightKnee),
    (Joint::RightKnee, Joint::RightAnkle),
    (Joint::Nose, Joint::LeftShoulder),
    (Joint::Nose, Joint::RightShoulder),
];

/// Half a head's width as a share of a person's height, twice over: hair, helmet, a head turned away.
const HEAD_SHARE: f32 = 0.13;

/// Smallest blurred half width, as a share of the picture's height.
const HEAD_MIN: f32 = 0.015;

/// Blocks across a blurred head: too few to know anybody by.
const BLOCKS_ACROSS: usize = 5;

/// An RGB picture to draw on.
pub struct Canvas<'a> {
    /// Bytes, rows without padding.
    pub rgb: &'a mut [u8],
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
}

impl Canvas<'_> {
    fn dot(&mut self, x: i64, y: i64, size: i64, colour: [u8; 3]) {
        for py in y - size..=y + size {
            for px in x - size..=x + size {
                let (Ok(px), Ok(py)) = (usize::try_from(px), usize::try_from(py)) else { continue };
                if px < self.width && py < self.height {
                    let at = (py * self.width + px) * 3;
                    if let Some(pixel) = self.rgb.get_mut(at..at + 3) {
                        pixel.copy_from_slice(&colour);
                    }
                }
            }
        }
    }

    fn line(&mut self, from: (f32, f32), to: (f32, f32), size: i64, colour: [u8; 3]) {
        let steps = (from.0 - to.0).abs().max((from.1 - to.1).abs()).ceil().clamp(1.0, 10_000.0) as i64;
        for step in 0..=steps {
            let share = step as f32 / steps as f32;
            let at = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            self.dot(at.0 as i64, at.1 as i64, size, colour);
        }
    }

    /// Replaces a square by a few blocks of its mean colours.
    fn pixelate(&mut self, centre: (f32, f32), half: f32) {
        let clamp = |value: f32, end: usize| (value.max(0.0) as usize).min(end);
        let (left, right) = (clamp(centre.0 - half, self.width), clamp(centre.0 + half + 1.0, self.width));
        let (top, bottom) = (clamp(centre.1 - half, self.height), clamp(centre.1 + half + 1.0, self.height));
        let block = ((half * 2.0) as usize / BLOCKS_ACROSS).max(4);
        for y in (top..bottom).step_by(block) {
            for x in (left..right).step_by(block) {
                self.flatten((x, (x + block).min(right)), (y, (y + block).min(bottom)));
            }
        }
    }

    fn flatten(&mut self, (left, right): (usize, usize), (top, bottom): (usize, usize)) {
        let mut sums = [0u64; 3];
        let area = ((right - left) * (bottom - top)).max(1) as u64;
        for y in top..bottom {
            for x in left..right {
                let at = (y * self.width + x) * 3;
                for (sum, byte) in sums.iter_mut().zip(self.rgb.get(at..at + 3).unwrap_or_default()) {
                    *sum += u64::from(*byte);
                }
            }
        }
        let mean = sums.map(|sum| u8::try_from(sum / area).unwrap_or(u8::MAX));
        for y in top..bottom {
            for x in left..right {
                let at = (y * self.width + x) * 3;
                if let Some(pixel) = self.rgb.get_mut(at..at + 3) {
                    pixel.copy_from_slice(&mean);
                }
            }
        }
    }
}

/// Makes every head unrecognisable, also of people of whom the model is hardly sure.
pub fn blur_heads(canvas: &mut Canvas<'_>, poses: &[Pose]) {
    let scale = canvas.height as f32;
    for pose in poses {
        let head = pose.head().spot;
        let half = (pose.height_by_limbs() * HEAD_SHARE).clamp(HEAD_MIN, 0.5) * scale;
        canvas.pixelate((head.x * scale, head.y * scale), half);
    }
}

/// Draws skeletons: red for the tracks that fell, green for the others.
pub fn draw_people(canvas: &mut Canvas<'_>, poses: &[Pose], fell: bool) {
    let scale = canvas.height as f32;
    let size = (canvas.height / 360) as i64;
    let colour = if fell { [255, 40, 40] } else { [60, 220, 90] };
    for pose in poses {
        for (a, b) in BONES {
            let (a, b) = (pose.point(a), pose.point(b));
            if a.score >= DRAWN_MIN && b.score >= DRAWN_MIN {
                let at = |spot: minewatch_fall::Spot| (spot.x * scale, spot.y * scale);
                canvas.line(at(a.spot), at(b.spot), size, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_fall::{KeyPoint, POINTS, Spot};

    fn standing() -> Pose {
        let mut points = [KeyPoint { spot: Spot { x: 0.5, y: 0.5 }, score: 0.9 }; POINTS];
        for joint in [Joint::Nose, Joint::LeftEye, Joint::RightEye, Joint::LeftEar, Joint::RightEar] {
            points[joint as usize].spot = Spot { x: 0.5, y: 0.2 };
        }
        for joint in [Joint::LeftShoulder, Joint::RightShoulder] {
            points[joint as usize].spot.y = 0.3;
        }
        for joint in [Joint::LeftAnkle, Joint::RightAnkle] {
            points[joint as usize].spot.y = 0.9;
        }
        Pose { points, score: 0.9 }
    }

    #[test]
    fn a_blurred_head_has_no_fine_pattern_left_and_the_rest_keeps_its_own() {
        let (width, height) = (200, 200);
        let pattern: Vec<u8> =
            (0..width * height).flat_map(|i| [if (i % width + i / width) % 2 == 0 { 0 } else { 255 }; 3]).collect();
        let mut rgb = pattern.clone();
        blur_heads(&mut Canvas { rgb: &mut rgb, width, height }, &[standing()]);
        let at = |x: usize, y: usize| (y * width + x) * 3;
        assert!(rgb[at(100, 40)].abs_diff(rgb[at(101, 40)]) < 40, "neighbours in the face look alike");
        assert_eq!(rgb[at(100, 150)..], pattern[at(100, 150)..], "legs are untouched");
    }

    #[test]
    fn drawing_beyond_the_edges_is_not_a_fault() {
        let mut pose = standing();
        for point in &mut pose.points {
            point.spot.x = point.spot.x * 9.0 - 3.0;
        }
        let mut rgb = vec![0; 40 * 30 * 3];
        let mut canvas = Canvas { rgb: &mut rgb, width: 40, height: 30 };
        draw_people(&mut canvas, &[pose], true);
        blur_heads(&mut canvas, &[pose]);
    }
}
