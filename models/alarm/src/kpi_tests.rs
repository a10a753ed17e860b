//! The figures against sentences, and against a slow reference.

use super::*;
use proptest::prelude::*;

const DAY: Window = Window { from: At(0), to: At(86_400_000_000) };

fn at(seconds: i64) -> At {
    At(seconds * 1_000_000)
}

/// An alarm that is active from and to these seconds, at yellow.
fn alarm(name: &str, spans: &[(i64, i64)]) -> Record {
    let changes = spans.iter().flat_map(|(from, to)| {
        let up = Change { at: at(*from), from: Level::Normal, to: Level::Yellow };
        [up, Change { at: at(*to), from: Level::Yellow, to: Level::Normal }]
    });
    Record { alarm: name.to_owned(), changes: changes.collect(), ..Record::default() }
}

#[test]
fn a_quiet_day_meets_every_target_and_says_nothing_it_does_not_know() {
    let kpi = compute(DAY, &[], &[]);
    assert_eq!((kpi.annunciated, kpi.peak_10_min, kpi.flood_count, kpi.standing), (0, 0, 0, 0));
    assert_eq!(kpi.all.per_10_min, Some(0.0));
    assert_eq!(kpi.upset.per_10_min, None, "there was no upset to have a rate");
    assert_eq!((kpi.split.red_share, kpi.on_time_share, kpi.to_acknowledge.mean_s), (None, None, None));
    assert!(kpi.targets.iter().all(|target| target.met));
}

#[test]
fn a_flood_begins_with_ten_in_ten_minutes_and_ends_below_five() {
    // One every 30 s from 1,000 s: the tenth comes at 1,270 s. The last of twenty at 1,570 s; the
    // fifth youngest (1,450 s) leaves the last ten minutes at 2,050 s.
    let records: Vec<Record> = (0..20).map(|n| alarm(&format!("a{n}"), &[(1_000 + 30 * n, 9_000)])).collect();
    let kpi = compute(DAY, &records, &[]);
    assert_eq!(kpi.floods, vec![Flood { from: at(1_270), to: at(2_050), annunciated: 20 }]);
    assert!((kpi.flood_share - 780.0 / 86_400.0).abs() < 1e-12);
    assert_eq!(kpi.peak_10_min, 20);
    assert_eq!((kpi.upset.annunciated, kpi.steady.annunciated), (11, 9), "those before the tenth were steady state");
    let nine: Vec<Record> = records[..9].to_vec();
    assert_eq!(compute(DAY, &nine, &[]).flood_count, 0);
    let spread: Vec<Record> = (0..10).map(|n| alarm(&format!("a{n}"), &[(67 * n, 9_000)])).collect();
    assert_eq!(compute(DAY, &spread, &[]).flood_count, 0, "ten in 603 s are no flood");
}

#[test]
fn three_in_a_minute_chatter_and_a_short_one_is_fleeting() {
    let chatter = alarm("chatter", &[(100, 105), (120, 125), (159, 170)]);
    let slow = alarm("slow", &[(100, 105), (130, 135), (160, 165)]);
    let kpi = compute(DAY, &[chatter, slow], &[]);
    assert_eq!(kpi.chattering, vec!["chatter"]);
    assert_eq!(kpi.fleeting, 3, "the chattering alarm's activations are not counted again");
}

#[test]
fn an_alarm_that_stands_for_more_than_a_day_is_stale() {
    let mut old = alarm("old", &[]);
    old.active_since = Some(at(-1));
    let mut cleared = alarm("cleared", &[]);
    cleared.active_since = Some(at(-90_000));
    cleared.changes = vec![Change { at: at(10), from: Level::Red, to: Level::Normal }];
    let fresh = Record { changes: alarm("x", &[(5, 6)]).changes[..1].to_vec(), ..alarm("fresh", &[]) };
    let kpi = compute(DAY, &[old, cleared, fresh], &[]);
    assert_eq!((kpi.standing, kpi.stale), (2, vec!["old".to_owned()]));
}

#[test]
fn an_escalation_sounds_again_and_counts_again() {
    let mut record = alarm("a", &[(100, 900)]);
    record.changes.insert(1, Change { at: at(200), from: Level::Yellow, to: Level::Red });
    record.changes[2].from = Level::Red;
    let kpi = compute(DAY, &[record], &[]);
    assert_eq!((kpi.annunciated, kpi.split.yellow, kpi.split.red), (2, 1, 1));
    assert_eq!(kpi.split.red_share, Some(0.5));
    assert_eq!(kpi.unacknowledged, 1, "but it is one activation");
}

#[test]
fn acknowledgement_belongs_to_the_activation_before_it() {
    let mut record = alarm("a", &[(100, 200), (1_000, 1_200), (5_000, 5_100)]);
    record.acks = vec![at(130), at(1_300)];
    let kpi = compute(DAY, &[record], &[]);
    assert_eq!((kpi.to_acknowledge.count, kpi.unacknowledged), (2, 1));
    assert_eq!((kpi.to_acknowledge.mean_s, kpi.to_acknowledge.max_s), (Some(165.0), Some(300.0)));
}

#[test]
fn a_case_is_on_time_when_it_is_closed_without_a_missed_deadline() {
    let case = |closed: Option<i64>, late| CaseTimes {
        raised: at(0),
        acknowledged: Some(at(20)),
        closed: closed.map(at),
        late,
    };
    let open_late = case(None, true);
    let kpi = compute(DAY, &[], &[case(Some(90), false), case(Some(110), true), open_late, case(None, false)]);
    assert_eq!((kpi.cases_judged, kpi.cases_on_time), (3, 1));
    assert_eq!((kpi.to_close.count, kpi.to_close.max_s), (2, Some(110.0)));
    assert_eq!((kpi.to_answer.count, kpi.to_answer.mean_s), (4, Some(20.0)));
    let later = CaseTimes { raised: At(DAY.to.0 + 1), ..open_late };
    assert_eq!(compute(DAY, &[], &[later]).cases_judged, 0);
}

proptest! {
    #[test]
    fn peak_and_floods_agree_with_a_slow_reference(mut seconds in prop::collection::vec(0i64..4_000, 0..80)) {
        seconds.sort_unstable();
        let records: Vec<Record> = seconds.iter().enumerate()
            .map(|(n, s)| alarm(&format!("a{n}"), &[(*s, 80_000)])).collect();
        let kpi = compute(DAY, &records, &[]);
        let within = |end: i64| seconds.iter().filter(|s| **s <= end && end - **s < 600).count();
        prop_assert_eq!(kpi.peak_10_min, seconds.iter().map(|s| within(*s)).max().unwrap_or(0));
        // Second by second: in a flood from ten in the last ten minutes until fewer than five.
        // A flood counts only annunciations since the one before it ended.
        let (mut flooded, mut in_flood, mut since) = (0i64, false, i64::MIN);
        for second in 0..86_400i64 {
            let fresh = seconds.iter().filter(|s| **s <= second && second - **s < 600 && **s >= since).count();
            if !in_flood && fresh >= FLOOD_BEGINS { in_flood = true; }
            else if in_flood && within(second) < FLOOD_ENDS_BELOW { in_flood = false; since = second; }
            flooded += i64::from(in_flood);
        }
        let got = kpi.flood_share * 86_400.0;
        prop_assert!((got - flooded as f64).abs() < 0.5, "{} against {}", got, flooded);
        prop_assert_eq!(kpi.steady.annunciated + kpi.upset.annunciated, kpi.annunciated);
    }
}
