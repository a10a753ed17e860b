//! Small grey pictures: what health and motion are judged on.

/// A grey picture, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Luma {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Luma {
    /// A picture of `width` × `height` pixels; `None` when the pixels are not exactly as many, or none.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Luma> {
        (width > 0 && height > 0 && width.checked_mul(height)? == pixels.len()).then_some(Luma {
            width,
            height,
            pixels,
        })
    }

    /// Averages an RGB picture down to `width` × `height`; `None` when the bytes do not make a
    /// picture of that size, or it is smaller than the result.
    pub fn of_rgb(rgb: &[u8], from: (usize, usize), width: usize, height: usize) -> Option<Luma> {
        let (fw, fh) = from;
        if fw.checked_mul(fh)?.checked_mul(3)? != rgb.len() || width == 0 || height == 0 || fw < width || fh < height {
            return None;
        }
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom) = (y * fh / height, ((y + 1) * fh / height).max(y * fh / height + 1));
            for x in 0..width {
                let (left, right) = (x * fw / width, ((x + 1) * fw / width).max(x * fw / width + 1));
                pixels.push(mean_of_block(rgb, fw, (left, right), (top, bottom)));
            }
        }
        Luma::new(width, height, pixels)
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Mean brightness, 0 to 255.
    pub fn mean(&self) -> f32 {
        self.pixels.iter().map(|p| f32::from(*p)).sum::<f32>() / self.pixels.len() as f32
    }

    /// Brightness that `share` of the pixels do not exceed.
    pub fn quantile(&self, share: f32) -> u8 {
        let mut sorted = self.pixels.clone();
        sorted.sort_unstable();
        let index = (share.clamp(0.0, 1.0) * (sorted.len() - 1) as f32).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }

    /// Largest and mean absolute difference to a picture of the same size; `None` for another size.
    pub fn difference(&self, other: &Luma) -> Option<(u8, f32)> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let (mut largest, mut sum) = (0, 0u64);
        for (a, b) in self.pixels.iter().zip(&other.pixels) {
            let d = a.abs_diff(*b);
            largest = largest.max(d);
            sum += u64::from(d);
        }
        Some((largest, sum as f32 / self.pixels.len() as f32))
    }

    /// Mean absolute Laplacian: how much fine detail there is. 0 for a smooth picture.
    pub fn sharpness(&self) -> f32 {
        if self.width < 3 || self.height < 3 {
            return 0.0;
        }
        let at = |x: usize, y: usize| i32::from(self.pixels[y * self.width + x]);
        let mut sum = 0u64;
        for y in 1..self.height - 1 {
            for x in 1..self.width - 1 {
                let l = 4 * at(x, y) - at(x - 1, y) - at(x + 1, y) - at(x, y - 1) - at(x, y + 1);
                sum += u64::from(l.unsigned_abs());
            }
        }
        sum as f32 / ((self.width - 2) * (self.height - 2)) as f32
    }

    /// Horizontal and vertical gradients of the inner pixels, for comparing what stands where.
    pub fn gradients(&self) -> Vec<(f32, f32)> {
        let at = |x: usize, y: usize| f32::from(self.pixels[y * self.width + x]);
        let mut out = Vec::new();
        for y in 1..self.height.saturating_sub(1) {
            for x in 1..self.width.saturating_sub(1) {
                out.push((at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1)));
            }
        }
        out
    }
}

/// Pixels sampled across and down a block: more would not change its mean by a grey level.
const SAMPLES: usize = 4;

/// Mean brightness of a block of an RGB picture (ITU-R BT.601 weights, in 256ths).
fn mean_of_block(rgb: &[u8], stride: usize, (left, right): (usize, usize), (top, bottom): (usize, usize)) -> u8 {
    let (mut sum, mut count) = (0u64, 0u64);
    let across = ((right - left) / SAMPLES).max(1);
    for y in (top..bottom).step_by(((bottom - top) / SAMPLES).max(1)) {
        let row = rgb[(y * stride + left) * 3..(y * stride + right) * 3].as_chunks::<3>().0;
        for pixel in row.iter().step_by(across) {
            sum += (77 * u64::from(pixel[0]) + 150 * u64::from(pixel[1]) + 29 * u64::from(pixel[2])) >> 8;
            count += 1;
        }
    }
    u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_one_colour_keeps_its_brightness_and_has_no_detail() {
        let rgb = [100u8; 64 * 36 * 3];
        let luma = Luma::of_rgb(&rgb, (64, 36), 16, 9).expect("fits");
        assert_eq!((luma.mean(), luma.sharpness()), (100.0, 0.0));
        assert_eq!(luma.quantile(0.95), 100);
    }

    #[test]
    fn bytes_that_are_no_picture_of_that_size_are_refused() {
        assert_eq!(Luma::of_rgb(&[0; 10], (64, 36), 16, 9), None);
        assert_eq!(Luma::of_rgb(&[0; 27], (3, 3), 16, 9), None);
        assert_eq!(Luma::new(2, 2, vec![0; 3]), None);
    }
}
