//! A picture, and the place where the newest one waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A decoded picture: RGB, rows without padding.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Bytes, three a pixel.
    pub rgb: Vec<u8>,
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// Time within the stream, milliseconds from its start.
    pub at_ms: u64,
    /// When it arrived.
    pub arrived: Instant,
}

impl Frame {
    /// Takes a picture whose rows may be padded to four bytes; `None` when the bytes do not fit.
    pub fn of_padded(bytes: &[u8], width: usize, height: usize, at_ms: u64) -> Option<Frame> {
        let row = width.checked_mul(3)?;
        let stride = row.next_multiple_of(4);
        if row == 0 || height == 0 || bytes.len() < stride * (height - 1) + row {
            return None;
        }
        let rgb = if stride == row {
            bytes.get(..row * height)?.to_vec()
        } else {
            let mut rgb = Vec::with_capacity(row * height);
            for line in bytes.chunks(stride).take(height) {
                rgb.extend_from_slice(line.get(..row)?);
            }
            rgb
        };
        Some(Frame { rgb, width, height, at_ms, arrived: Instant::now() })
    }
}

/// Holds one picture; a newer one replaces it.
#[derive(Debug, Default)]
pub struct Slot {
    inner: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    frame: Option<Frame>,
    arrived: u64,
    dropped: u64,
    last: Option<Instant>,
}

impl Slot {
    /// Puts a picture, replacing the one that waits.
    pub fn put(&self, frame: Frame) {
        let mut inner = self.lock();
        inner.arrived += 1;
        inner.last = Some(frame.arrived);
        if inner.frame.replace(frame).is_some() {
            inner.dropped += 1;
        }
    }

    /// Takes the picture that waits.
    pub fn take(&self) -> Option<Frame> {
        self.lock().frame.take()
    }

    /// Pictures arrived, and pictures replaced before anybody looked.
    pub fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.arrived, inner.dropped)
    }

    /// When the last picture arrived.
    pub fn last(&self) -> Option<Instant> {
        self.lock().last
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The state is plain numbers and a picture: whole even if a holder panicked.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the inference loop when any camera has a picture.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_one();
    }

    /// Waits for a ring, `patience` at most.
    pub(crate) fn wait(&self, patience: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung =
            if *rung { rung } else { self.wake.wait_timeout(rung, patience).unwrap_or_else(PoisonError::into_inner).0 };
        *rung = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_picture_waits_and_the_replaced_ones_are_counted() {
        let slot = Slot::default();
        for n in 0..5 {
            slot.put(Frame::of_padded(&[n; 14], 2, 2, u64::from(n)).unwrap_or_else(|| panic!("fits")));
        }
        assert_eq!(slot.take().map(|frame| frame.at_ms), Some(4));
        assert!(slot.take().is_none());
        assert_eq!(slot.counts(), (5, 4));
    }

    #[test]
    fn padding_of_rows_is_taken_off_and_short_pictures_are_refused() {
        let bytes: Vec<u8> = (0..16).collect();
        let frame = Frame::of_padded(&bytes, 1, 4, 0).unwrap_or_else(|| panic!("fits"));
        assert_eq!(frame.rgb, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]);
        assert!(Frame::of_padded(&bytes[..14], 1, 4, 0).is_none());
        assert!(Frame::of_padded(&bytes, 0, 4, 0).is_none());
    }
}
