//! Sight, as sentences over drawn pictures.

use super::*;
use proptest::prelude::*;

const W: usize = 64;
const H: usize = 36;

/// A yard: bright ground, dark boxes at fixed places shifted by `dx`, a little noise from `n`.
fn yard(dx: usize, brightness: f32, n: u64) -> Luma {
    let pixels = (0..W * H).map(|i| {
        let (x, y) = ((i % W + dx) % W, i / W);
        let boxed = (x / 5 * 7 + y / 4 * 11) % 3 == 0;
        let noise = (i as u64).wrapping_mul(2_654_435_761).wrapping_add(n.wrapping_mul(40_503)) >> 7 & 3;
        ((if boxed { 60.0 } else { 180.0 }) * brightness) as u8 + noise as u8
    });
    Luma::new(W, H, pixels.collect()).expect("fits")
}

fn flat(level: u8, n: u64) -> Luma {
    let pixels = (0..W * H).map(|i| level + ((i as u64 + n) % 2) as u8 * u8::from(i % 97 == 0) * 3);
    Luma::new(W, H, pixels.collect()).expect("fits")
}

fn watch(pictures: impl IntoIterator<Item = (u64, Luma)>) -> Vec<(u64, Sight)> {
    let mut judge = Judge::new(HealthLimits::default(), 0);
    watch_with(&mut judge, pictures)
}

fn watch_with(judge: &mut Judge, pictures: impl IntoIterator<Item = (u64, Luma)>) -> Vec<(u64, Sight)> {
    pictures.into_iter().filter_map(|(s, picture)| Some((s, judge.picture(&picture, s * 1_000)?))).collect()
}

fn minute_of_yard() -> Vec<(u64, Luma)> {
    (0..60).map(|s| (s, yard(0, 1.0, s))).collect()
}

fn after_a_minute(picture: impl Fn(u64) -> Luma) -> Vec<(u64, Sight)> {
    let mut pictures = minute_of_yard();
    pictures.extend((60..80).map(|s| (s, picture(s))));
    watch(pictures)
}

#[test]
fn a_camera_that_sees_a_changing_yard_sees_well() {
    assert_eq!(watch(minute_of_yard()), [(0, Sight::Clear)]);
}

#[test]
fn no_pictures_is_blindness_from_the_start_and_after_pictures() {
    let mut judge = Judge::new(HealthLimits::default(), 0);
    assert_eq!(judge.tick(4_999), None);
    assert_eq!(judge.tick(5_000), Some(Sight::Blind(Blindness::NoFrames)));
    assert_eq!(judge.tick(6_000), None, "said once");
    assert_eq!(judge.picture(&yard(0, 1.0, 1), 7_000), None, "one picture is not yet sight");
    assert_eq!(judge.picture(&yard(0, 1.0, 2), 10_000), Some(Sight::Clear));
    assert_eq!(judge.tick(15_000), Some(Sight::Blind(Blindness::NoFrames)));
}

#[test]
fn the_same_picture_for_a_minute_is_frozen() {
    let still: Vec<_> = (0..70).map(|s| (s, yard(0, 1.0, 7))).collect();
    assert_eq!(watch(still), [(0, Sight::Clear), (60, Sight::Blind(Blindness::Frozen))]);
}

#[test]
fn night_without_light_a_cover_and_a_turned_camera_are_told_apart() {
    assert_eq!(after_a_minute(|s| yard(0, 0.05, s))[1..], [(65, Sight::Blind(Blindness::Dark))]);
    assert_eq!(after_a_minute(|s| flat(90, s))[1..], [(65, Sight::Blind(Blindness::Covered))]);
    assert_eq!(after_a_minute(|s| yard(9, 1.0, s))[1..], [(65, Sight::Blind(Blindness::Moved))]);
}

#[test]
fn fog_that_takes_most_of_the_detail_is_blur() {
    let fog = |s| {
        let clear = yard(0, 1.0, s);
        let pixels = clear.pixels().iter().map(|p| (150 + i32::from(*p) / 8) as u8).collect();
        Luma::new(W, H, pixels).expect("fits")
    };
    assert_eq!(after_a_minute(fog)[1..], [(65, Sight::Blind(Blindness::Blurred))]);
}

#[test]
fn half_the_light_is_not_a_fault() {
    assert_eq!(after_a_minute(|s| yard(0, 0.5, s)).len(), 1);
}

#[test]
fn a_person_who_walks_through_is_not_a_fault() {
    let walker = |s: u64| {
        let mut pixels = yard(0, 1.0, s).pixels().to_vec();
        for y in 10..34 {
            for x in 0..8 {
                pixels[y * W + (s as usize * 3 + x) % W] = 230;
            }
        }
        Luma::new(W, H, pixels).expect("fits")
    };
    assert_eq!(after_a_minute(walker).len(), 1);
}

proptest! {
    #[test]
    fn a_short_disturbance_is_not_told(seconds in 1u64..5, level in 0u8..250) {
        let mut pictures = minute_of_yard();
        pictures.extend((60..60 + seconds).map(|s| (s, flat(level, s))));
        pictures.extend((60 + seconds..80).map(|s| (s, yard(0, 1.0, s))));
        prop_assert_eq!(watch(pictures), [(0, Sight::Clear)]);
    }

    #[test]
    fn silence_is_never_called_sight(gaps in proptest::collection::vec(0u64..20_000, 1..50)) {
        let mut judge = Judge::new(HealthLimits::default(), 0);
        let mut now = 0;
        for (n, gap) in gaps.iter().enumerate() {
            now += gap;
            judge.tick(now);
            prop_assert!(*gap < 5_000 || judge.sight() == Sight::Blind(Blindness::NoFrames));
            judge.picture(&yard(0, 1.0, n as u64), now);
        }
    }
}
