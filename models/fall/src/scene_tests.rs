//! The decision on figures in motion: what must alarm does, what must not does not.

use crate::figure::Act;
use crate::scene::{Film, film};
use crate::{CameraProfile, FallEvent, FallKind, FallTracker, PoseModelManifest, Zone, ZoneKind};

const SEEDS: u64 = 30;
const FPS: f32 = 12.0;

fn events(film: &Film, profile: CameraProfile) -> Vec<FallEvent> {
    let manifest = PoseModelManifest::parse(include_str!("../model.toml")).expect("the shipped manifest parses");
    let mut tracker = FallTracker::new(profile, manifest.thresholds);
    film.frames.iter().flat_map(|(at_ms, poses)| tracker.step(poses, *at_ms)).collect()
}

/// How many of the seeds alarm.
fn alarmed(act: Act, slow: f32) -> u64 {
    (0..SEEDS)
        .filter(|seed| {
            let film = film(act, *seed, FPS, slow);
            !events(&film, CameraProfile::of_aspect(film.view.aspect)).is_empty()
        })
        .count() as u64
}

#[test]
fn falls_from_a_height_are_found_and_ladder_descents_are_not_alarmed() {
    let found = alarmed(Act::FallFromHeight, 1.0);
    assert!(found * 100 >= SEEDS * 95, "{found} of {SEEDS} falls from a height");
    let false_alarms = alarmed(Act::ClimbDown, 1.0);
    assert!(false_alarms * 100 < SEEDS * 5, "{false_alarms} of {SEEDS} ladder descents");
}

#[test]
fn standing_and_walking_do_not_alarm() {
    for act in [Act::Stand, Act::Walk, Act::Carry, Act::Bend, Act::Sit] {
        let false_alarms = alarmed(act, 1.0);
        assert!(false_alarms * 100 < SEEDS * 5, "{act:?}: {false_alarms} of {SEEDS}");
    }
}

#[test]
fn a_fall_is_one_event_soon_after_its_end_and_says_why() {
    let mut found = 0;
    for seed in 0..SEEDS {
        let film = film(Act::FallFromHeight, seed, FPS, 1.0);
        let events = events(&film, CameraProfile::of_aspect(film.view.aspect));
        let falls: Vec<_> = events.iter().filter(|event| event.kind != FallKind::Motionless).collect();
        assert!(falls.len() <= 1, "seed {seed}: {} events of one fall", falls.len());
        let (Some(event), Some(ends_s)) = (falls.first(), film.ends_s) else { continue };
        found += 1;
        let delay_s = event.at_ms as f32 / 1000.0 - ends_s;
        assert!(delay_s <= 2.0, "seed {seed}: {delay_s} s after the end");
        assert!(event.why.contains("body heights") && !event.trace.is_empty());
        assert!((0.5..=1.0).contains(&event.score), "seed {seed}: {}", event.score);
    }
    assert!(found > 0, "no fall was found at all");
}

#[test]
fn what_a_mask_covers_is_not_looked_at() {
    let film = film(Act::FallFromHeight, 1, FPS, 1.0);
    let whole = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let mask = Zone { name: "screen".into(), kind: ZoneKind::Mask, corners: whole };
    let profile = CameraProfile { zones: vec![mask], ..CameraProfile::of_aspect(film.view.aspect) };
    assert_eq!(profile.problems(), Vec::<String>::new());
    assert_eq!(events(&film, profile), Vec::new());
}

#[test]
fn who_lies_still_is_an_event_only_after_the_configured_time() {
    let mut film = film(Act::Fall, 2, FPS, 1.0);
    let (last_ms, poses) =
        film.frames.iter().rev().find(|(_, poses)| !poses.is_empty()).cloned().expect("seen at the end");
    film.frames.retain(|(at_ms, _)| *at_ms <= last_ms);
    film.frames.extend((1..700).map(|n| (last_ms + n * 100, poses.clone())));
    let profile = CameraProfile { motionless_s: 30.0, ..CameraProfile::of_aspect(film.view.aspect) };
    let still: Vec<_> = events(&film, profile).into_iter().filter(|event| event.kind == FallKind::Motionless).collect();
    assert_eq!(still.len(), 1, "said once");
    let after_s = (still[0].at_ms - last_ms) as f32 / 1000.0;
    assert!((20.0..=32.0).contains(&after_s), "{after_s} s");
}

#[test]
fn the_same_poses_give_the_same_events() {
    let film = film(Act::Fall, 3, FPS, 1.0);
    let profile = CameraProfile::of_aspect(film.view.aspect);
    assert_eq!(events(&film, profile.clone()), events(&film, profile));
}

#[test]
fn a_profile_that_cannot_be_judged_says_where() {
    let zone = Zone { name: "edge 1".into(), kind: ZoneKind::Edge, corners: vec![[0.0, 1.5]] };
    let profile = CameraProfile { zones: vec![zone], motionless_s: 1.0, ..CameraProfile::default() };
    let problems = profile.problems().join("\n");
    for expected in ["motionless_s", "edge 1", "corners"] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
}
