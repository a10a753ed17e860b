//! Draws shaded shapes into an RGB picture.

/// A colour.
pub(super) type Colour = [f32; 3];

/// A place, pixels.
pub(super) type Place = (f32, f32);

/// An RGB picture.
pub(super) struct Canvas {
    pub(super) rgb: Vec<u8>,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Canvas {
        Canvas { rgb: vec![0; width * height * 3], width, height }
    }

    pub(super) fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let at = (y * self.width + x) * 3;
        if let Some(pixel) = self.rgb.get_mut(at..at + 3) {
            for (byte, value) in pixel.iter_mut().zip(colour) {
                *byte = value.clamp(0.0, 255.0) as u8;
            }
        }
    }

    fn blend(&mut self, x: usize, y: usize, colour: Colour, share: f32) {
        let at = (y * self.width + x) * 3;
        if let Some(pixel) = self.rgb.get_mut(at..at + 3) {
            for (byte, value) in pixel.iter_mut().zip(colour) {
                *byte = (f32::from(*byte) * (1.0 - share) + value * share).clamp(0.0, 255.0) as u8;
            }
        }
    }

    fn area(&self, min: Place, max: Place) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let clamp = |value: f32, end: usize| (value.max(0.0) as usize).min(end);
        let x = clamp(min.0, self.width)..clamp(max.0 + 2.0, self.width);
        let y = clamp(min.1, self.height)..clamp(max.1 + 2.0, self.height);
        (x, y)
    }

    /// A limb: a line of round ends whose width runs from `ra` to `rb`, lit from the upper left.
    pub(super) fn limb(&mut self, a: Place, b: Place, ra: f32, rb: f32, colour: Colour) {
        let r = ra.max(rb);
        let (xs, ys) = self.area((a.0.min(b.0) - r, a.1.min(b.1) - r), (a.0.max(b.0) + r, a.1.max(b.1) + r));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length2 = (dx * dx + dy * dy).max(1e-3);
        for y in ys {
            for x in xs.clone() {
                let (px, py) = (x as f32 + 0.5 - a.0, y as f32 + 0.5 - a.1);
                let along = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
                let (ox, oy) = (px - along * dx, py - along * dy);
                let radius = ra + (rb - ra) * along;
                let off = ox.hypot(oy);
                if off > radius + 0.5 {
                    continue;
                }
                let share = (radius + 0.5 - off).clamp(0.0, 1.0);
                let light = 1.0 - 0.35 * ((ox * 0.7 + oy * 0.7) / radius.max(0.5)).clamp(-0.4, 1.0);
                self.blend(x, y, colour.map(|c| c * light), share);
            }
        }
    }

    /// A round spot.
    pub(super) fn spot(&mut self, at: Place, radius: f32, colour: Colour) {
        self.limb(at, (at.0 + 0.01, at.1), radius, radius, colour);
    }

    /// A filled upright rectangle.
    pub(super) fn block(&mut self, min: Place, max: Place, colour: Colour) {
        let clamp = |value: f32, end: usize| (value.max(0.0) as usize).min(end);
        for y in clamp(min.1, self.height)..clamp(max.1, self.height) {
            for x in clamp(min.0, self.width)..clamp(max.0, self.width) {
                self.set(x, y, colour);
            }
        }
    }
}
