//! The site's decisions, as sentences over the shipped demo site.

use super::*;
use crate::config::load;
use crate::instrument::RawReading;
use crate::modbus::{Fault, PollResult};
use minewatch_domain::{AlarmTransition, Quality, Reason};
use std::path::Path;

const T0: At = At(1_790_000_000_000_000);

pub(super) fn at(ms: u64) -> Moment {
    Moment::new(T0, 1_000).plus_millis(ms)
}

pub(super) fn demo() -> Site {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-configs/sites/demo.toml");
    let config = load(&path).unwrap_or_else(|problems| panic!("{problems:?}"));
    Site::new(Arc::new(config), AlarmBook::default(), at(0)).expect("runs")
}

/// One poll of the pond station with this level; the other points of the poll are harmless.
fn pond(site: &Site, level: Option<f64>, ms: u64) -> BusEvent {
    let config = site.config();
    let poll = config.polls.iter().position(|p| config.devices[p.device].id.as_str() == "pond").expect("pond");
    let readings = config.polls[poll].points.iter().map(|index| {
        let point = &config.points[*index];
        let harmless = match point.id.as_str() {
            "pond.freeboard" => 2.5,
            "pond.beach" => 190.0,
            _ => 122.0,
        };
        let wanted = if point.id.as_str() == "pond.level" { level } else { Some(harmless) };
        RawReading {
            quantity: point.quantity,
            at: at(ms).wall,
            value: wanted,
            quality: if wanted.is_some() { Quality::Good } else { Quality::Bad },
            reason: if wanted.is_some() { Reason::None } else { Reason::Timeout },
        }
    });
    BusEvent::Polled(PollResult {
        poll,
        device: config.devices[config.polls[poll].device].id.clone(),
        at: at(ms).wall,
        readings: readings.collect(),
        faults: Vec::new(),
        skipped: 0,
    })
}

pub(super) fn feed(site: &mut Site, levels: &[(u64, Option<f64>)]) -> Vec<AlarmTransition> {
    let mut out = Vec::new();
    for (ms, level) in levels {
        let seen = pond(site, *level, *ms);
        site.bus(seen, at(*ms), &mut out);
    }
    alarms(out)
}

fn alarms(out: Vec<Record>) -> Vec<AlarmTransition> {
    out.into_iter().filter_map(|r| if let Record::Alarm(alarm) = r { Some(alarm) } else { None }).collect()
}

#[test]
fn a_rising_pond_goes_through_the_levels_and_sounds_the_siren_from_orange() {
    let mut site = demo();
    let mut seen = Vec::new();
    for (step, level) in [122.0, 123.3, 123.6, 123.9, 124.2].into_iter().enumerate() {
        let from = step as u64 * 20_000;
        let hold: Vec<_> = (0..20).map(|s| (from + s * 1_000, Some(level + 0.001 * s as f64))).collect();
        let of_the_point = feed(&mut site, &hold).into_iter().filter(|a| a.alarm.as_str() == "pond.level.threshold");
        seen.extend(of_the_point.map(|a| (a.to, site.sirens_wanted(At(0)))));
    }
    let levels: Vec<Level> = seen.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::Blue, Level::Yellow, Level::Orange, Level::Red]);
    let siren: Vec<bool> = seen.iter().map(|(_, wanted)| wanted[0]).collect();
    assert_eq!(siren, [false, false, true, true]);
}

#[test]
fn a_sensor_that_falls_silent_at_red_does_not_clear_the_alarm() {
    let mut site = demo();
    let rising: Vec<_> = (0..10).map(|s| (s * 1_000, Some(124.3 + 0.001 * s as f64))).collect();
    let raised = feed(&mut site, &rising);
    assert_eq!(raised.last().map(|a| (a.kind, a.to)), Some((AlarmKind::Pond, Level::Red)));
    let silent: Vec<_> = (10..200).map(|s| (s * 1_000, None)).collect();
    assert_eq!(feed(&mut site, &silent), Vec::new(), "bad data neither raises nor clears");
    assert_eq!(site.sirens_wanted(At(0)), [true]);
}

#[test]
fn a_rising_pond_raises_its_item_and_the_pond_with_a_proof_and_is_polled_faster() {
    let mut site = demo();
    assert_eq!(site.pace().map(|(polls, _)| polls.len()), Some(0));
    let rising: Vec<_> = (0..10).map(|s| (s * 1_000, Some(123.9 + 0.001 * s as f64))).collect();
    let raised = feed(&mut site, &rising);
    let levels: Vec<_> = raised.iter().map(|a| (a.alarm.as_str(), a.to)).collect();
    let expected = [
        ("pond.level.threshold", Level::Orange),
        ("pond-level.item", Level::Orange),
        ("qingshan-1.pond", Level::Orange),
    ];
    assert_eq!(levels, expected);
    let text = raised[2].proof.as_ref().expect("a proof");
    let proof = minewatch_dam::proof::Proof::parse(text).expect("reads back");
    assert_eq!(proof.root.children[0].children[0].id, "pond.level");
    assert!(!proof.actions.is_empty(), "what is to be done is said");
    let (fast, period) = site.pace().expect("a dam");
    assert_eq!((fast.len(), period.as_secs()), (1, 1), "the pond station only");
}

#[test]
fn levels_of_points_items_and_pond_go_on_after_a_restart_and_end_by_good_data() {
    let mut before = demo();
    let high: Vec<_> = (0..10).map(|s| (s * 1_000, Some(123.9 + 0.001 * s as f64))).collect();
    let raised = feed(&mut before, &high);
    let config = Arc::clone(before.config());
    let mut site = Site::new(config, AlarmBook::restore(raised, 0), at(10_000)).expect("runs");
    assert_eq!(alarms(site.opening(None, None, true, at(10_000))), Vec::new(), "nothing has changed");
    assert_eq!(site.sirens_wanted(At(0)), [true]);
    let low: Vec<_> = (10..60).map(|s| (s * 1_000, Some(122.0 + 0.001 * s as f64))).collect();
    let ended = feed(&mut site, &low);
    let levels: Vec<_> = ended.iter().map(|a| (a.alarm.as_str(), a.to)).collect();
    let normal = ["pond.level.threshold", "pond-level.item", "qingshan-1.pond"].map(|id| (id, Level::Normal));
    assert_eq!(levels, normal);
}

#[test]
fn computed_points_are_recorded_and_shown_and_bad_as_soon_as_their_input_is() {
    let mut site = demo();
    let mut out = Vec::new();
    for (second, level) in [(0, Some(122.0)), (1, Some(122.001)), (2, None)] {
        let seen = pond(&site, level, second * 1_000);
        site.bus(seen, at(second * 1_000), &mut out);
    }
    let computed: Vec<_> = out
        .iter()
        .filter_map(|r| if let Record::Reading(r) = r { Some(r) } else { None })
        .filter(|r| r.point.as_str() == "pond.flood-freeboard")
        .map(|r| (r.value, r.reason))
        .collect();
    assert_eq!(computed.len(), 2, "the change within the deadband is not recorded: {computed:?}");
    assert!((computed[0].0.expect("a value") - 1.1).abs() < 1e-9);
    assert_eq!(computed[1], (None, Reason::InputMissing));
    assert!(site.latest().any(|r| r.point.as_str() == "pond.flood-freeboard"));
}

#[test]
fn a_site_cut_off_raises_the_alarm_once_and_ends_it_when_headquarters_answers() {
    let mut site = demo();
    let mut out = Vec::new();
    for s in 0..60 {
        site.tick(at(s * 1_000), &mut out);
    }
    site.link(LinkState::Up, at(60_000), &mut out);
    let seen: Vec<_> =
        alarms(out).iter().filter(|a| a.kind == AlarmKind::LinkDown).map(|a| (a.to, a.revision)).collect();
    assert_eq!(seen, [(Level::Yellow, 1), (Level::Normal, 2)]);
}

#[test]
fn a_device_that_was_away_leaves_an_explained_gap() {
    let mut site = demo();
    let mut out = Vec::new();
    let device = site.config().devices[0].id.clone();
    let down =
        BusEvent::DeviceDown { device: device.clone(), since: T0, at: T0.plus_millis(3_000), reason: Fault::Timeout };
    site.bus(down, at(3_000), &mut out);
    site.bus(
        BusEvent::DeviceUp { device: device.clone(), down_since: T0, at: T0.plus_millis(90_000) },
        at(90_000),
        &mut out,
    );
    let gaps: Vec<_> = out.iter().filter_map(|r| if let Record::Gap(gap) = r { Some(gap) } else { None }).collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].reason, gaps[0].subject.as_str()), (GapReason::DeviceDown, device.as_str()));
    assert_eq!((gaps[0].from, gaps[0].to), (T0, T0.plus_millis(90_000)));
    let levels: Vec<_> = alarms(out).iter().map(|a| a.to).collect();
    assert_eq!(levels, [Level::Yellow, Level::Normal]);
}

#[test]
fn power_that_was_off_is_stated_at_the_start() {
    let mut site = demo();
    let opening = site.opening(Some(T0.plus_millis(-60_000)), None, false, at(0));
    let Some(Record::Gap(gap)) = opening.first() else { panic!("the gap comes first: {opening:?}") };
    assert_eq!((gap.reason, gap.from, gap.to), (GapReason::PowerOff, T0.plus_millis(-60_000), T0));
    assert!(opening.iter().any(|r| matches!(r, Record::Catalogue(_))), "headquarters is told what the points are");
}

#[test]
fn an_alarm_of_a_point_that_is_configured_no_more_is_ended_not_forgotten() {
    let mut before = demo();
    let raised = feed(&mut before, &(0..10).map(|s| (s * 1_000, Some(124.3 + 0.001 * s as f64))).collect::<Vec<_>>());
    let mut orphan = raised.iter().rfind(|a| a.kind == AlarmKind::Threshold).expect("red").clone();
    orphan.alarm = PointId::parse("gone.level.threshold").expect("slug");
    orphan.point = PointId::parse("gone.level").ok();
    let config = Arc::clone(before.config());
    let mut site = Site::new(config, AlarmBook::restore(vec![orphan], 0), at(0)).expect("runs");
    assert_eq!(site.sirens_wanted(At(0)), [true]);
    let ended = alarms(site.opening(None, None, true, at(0)));
    assert_eq!(
        ended.iter().map(|a| (a.alarm.as_str(), a.to)).collect::<Vec<_>>(),
        [("gone.level.threshold", Level::Normal)]
    );
    assert_eq!(site.sirens_wanted(At(0)), [false]);
}

#[test]
fn a_clock_that_lost_its_battery_is_an_alarm_and_its_readings_are_uncertain_until_it_is_set() {
    let config = Arc::clone(demo().config());
    let lost = Moment::new(At(1_000_000), 1_000);
    let mut site = Site::new(config, AlarmBook::default(), lost).expect("runs");
    let mut out = Vec::new();
    let seen = pond(&site, Some(122.0), 0);
    site.bus(seen, lost, &mut out);
    site.tick(lost, &mut out);
    let doubtful = out.iter().any(|r| matches!(r, Record::Reading(r) if r.reason == Reason::ClockStep));
    assert!(doubtful, "{out:?}");
    site.tick(at(1_000), &mut out);
    let seen: Vec<_> = alarms(out).iter().filter(|a| a.kind == AlarmKind::Clock).map(|a| a.to).collect();
    assert_eq!(seen, [Level::Yellow, Level::Normal]);
}
