//! What cameras say, as sentences over the shipped demo site.

use super::super::AlarmBook;
use super::*;
use crate::config::load;
use minewatch_domain::AlarmTransition;
use std::path::Path;
use std::sync::Arc;

const T0: At = At(1_790_000_000_000_000);

fn at(ms: u64) -> Moment {
    Moment::new(T0, 1_000).plus_millis(ms)
}

fn site(alarms: AlarmBook) -> Site {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-configs/sites/demo.toml");
    let config = load(&path).unwrap_or_else(|problems| panic!("{problems:?}"));
    Site::new(Arc::new(config), alarms, at(0)).expect("runs")
}

fn fall(seq: u64, ms: i64, kind: &str) -> VisionEvent {
    VisionEvent::Fall(FallSeen {
        seq,
        camera: "cam-gate".into(),
        at_us: T0.plus_millis(ms).micros(),
        kind: kind.into(),
        score: 0.9,
        track: 1,
        why: "hips dropped".into(),
        proof: "{}".into(),
    })
}

fn feed(site: &mut Site, events: Vec<VisionEvent>) -> (Vec<AlarmTransition>, Vec<u64>) {
    let (mut out, mut taken) = (Vec::new(), Vec::new());
    for event in events {
        taken.extend(site.vision(event, at(1), &mut out).map(|t| t.revision));
    }
    (alarms(out), taken)
}

fn alarms(out: Vec<Record>) -> Vec<AlarmTransition> {
    out.into_iter().filter_map(|r| if let Record::Alarm(alarm) = r { Some(alarm) } else { None }).collect()
}

#[test]
fn a_fall_is_orange_and_somebody_motionless_after_it_is_red() {
    let mut site = site(AlarmBook::default());
    let (seen, taken) = feed(&mut site, vec![fall(1, 0, "same_level"), fall(2, 60_000, "motionless")]);
    assert_eq!(seen.iter().map(|a| a.to).collect::<Vec<_>>(), [Level::Orange, Level::Red]);
    assert_eq!(taken, [1, 2]);
}

#[test]
fn a_second_fall_is_raised_by_itself() {
    let mut site = site(AlarmBook::default());
    let (seen, taken) = feed(&mut site, vec![fall(1, 0, "from_height"), fall(2, 5_000, "same_level")]);
    assert_eq!(seen.iter().map(|a| a.to).collect::<Vec<_>>(), [Level::Red, Level::Normal, Level::Orange]);
    assert_eq!(taken, [1, 3]);
}

#[test]
fn a_fall_told_again_after_a_kill_is_the_same_alarm() {
    let mut before = site(AlarmBook::default());
    let (seen, _) = feed(&mut before, vec![fall(7, 0, "same_level"), fall(7, 0, "same_level")]);
    assert_eq!(seen.len(), 1, "the number is known");
    let mut after = site(AlarmBook::restore(seen, 0));
    let (again, taken) = feed(&mut after, vec![fall(7, 0, "same_level")]);
    assert_eq!((again.len(), taken), (0, vec![1]), "its time is known after a restart");
}

#[test]
fn a_vision_process_that_is_down_is_an_alarm_until_it_is_back() {
    let mut site = site(AlarmBook::default());
    let down = || VisionEvent::Down("vision process is silent (signal: 9)".into());
    let (seen, _) = feed(&mut site, vec![down(), down(), VisionEvent::Up]);
    let steps: Vec<_> = seen.iter().map(|a| (a.alarm.as_str(), a.to)).collect();
    assert_eq!(steps, [("vision.camera_health", Level::Orange), ("vision.camera_health", Level::Normal)]);
}

#[test]
fn a_blind_camera_is_an_alarm_with_its_reason() {
    let mut site = site(AlarmBook::default());
    let sight = |blind: &str| {
        VisionEvent::Sight(SightSeen {
            camera: "cam-gate".into(),
            at_us: T0.micros(),
            blind: blind.into(),
            why: "w".into(),
        })
    };
    let (seen, _) = feed(&mut site, vec![sight("covered"), sight("")]);
    assert_eq!(seen.iter().map(|a| a.to).collect::<Vec<_>>(), [Level::Yellow, Level::Normal]);
    assert_eq!(seen[0].why, "covered: w");
}

#[test]
fn a_fall_alarm_returns_after_its_time_and_says_that_this_means_nothing() {
    let mut site = site(AlarmBook::default());
    feed(&mut site, vec![fall(1, 0, "same_level")]);
    let mut out = Vec::new();
    site.tick_cameras(at(599_000), &mut out);
    assert!(out.is_empty());
    site.tick_cameras(at(601_000), &mut out);
    let seen = alarms(out);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].to, Level::Normal);
    assert!(seen[0].why.contains("says nothing about the person"), "{}", seen[0].why);
}
