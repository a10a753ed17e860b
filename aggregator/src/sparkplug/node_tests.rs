//! Assertions of the specification, by their names in its test kit where they have one.

use super::*;
use minewatch_domain::SitePath;

const NOW: At = At(1_795_600_800_000_000);

fn id(text: &str) -> PointId {
    PointId::parse(text).expect("slug")
}

fn site() -> Site {
    let point = |name: &str, device: &str| {
        let described = CataloguePoint {
            point: id(name),
            device: device.to_owned(),
            name_zh: "浸润线".to_owned(),
            name_en: "phreatic line".to_owned(),
            unit: "m".to_owned(),
            period_ms: 1_000,
            keep_alive_ms: 60_000,
            high: LevelLimits { red: Some(9.0), ..LevelLimits::default() },
            low: LevelLimits::default(),
            range: None,
        };
        (id(name), described)
    };
    let slug = |text: &str| text.to_owned();
    let path = SitePath { group: slug("g"), company: slug("c"), mine: slug("mine-1"), facility: slug("pond") };
    Site { path: Some(path), config: 1, points: [point("pz-1", "logger"), point("pz-2", "radar")].into() }
}

fn latest(value: Option<f64>, after_ms: i64) -> Latest {
    let quality = if value.is_some() { Quality::Good } else { Quality::Bad };
    let reason = if value.is_some() { Reason::None } else { Reason::Sentinel };
    Latest { at: NOW.plus_millis(after_ms), ingested: NOW, value, quality, reason }
}

fn node() -> Node {
    Node::new(GatewayId::parse("gw-1").expect("slug"), "mine-1", 7)
}

fn read(out: &Out) -> (String, Payload) {
    (out.topic.clone(), Payload::decode(out.payload.as_slice()).expect("decodes"))
}

fn names(payload: &Payload) -> Vec<&str> {
    payload.metrics.iter().filter_map(|metric| metric.name.as_deref()).collect()
}

#[test]
fn a_birth_starts_at_zero_names_every_metric_and_carries_the_deaths_number() {
    let mut node = node();
    let alarms = BTreeMap::from([("pz-1.high".to_owned(), AlarmMetric { level: Level::Red, active: true, at: NOW })]);
    let values = BTreeMap::from([(id("pz-1"), latest(Some(1.5), 0)), (id("pz-2"), latest(None, 0))]);
    let births: Vec<_> = node.birth(&site(), &values, &alarms, NOW).iter().map(read).collect();
    let topics: Vec<&str> = births.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        topics,
        ["spBv1.0/mine-1/NBIRTH/gw-1", "spBv1.0/mine-1/DBIRTH/gw-1/logger", "spBv1.0/mine-1/DBIRTH/gw-1/radar"]
    );
    assert_eq!(births.iter().map(|(_, p)| p.seq).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert_eq!(names(&births[0].1), ["bdSeq", REBIRTH, "Alarm/pz-1.high/level", "Alarm/pz-1.high/state"]);
    let (topic, death) = read(&node.death(NOW));
    assert_eq!((topic.as_str(), death.seq), ("spBv1.0/mine-1/NDEATH/gw-1", None));
    assert_eq!(death.metrics, births[0].1.metrics[..1], "bdSeq of birth and death agree");
    let bad = &births[2].1.metrics[0];
    assert_eq!((bad.is_null, bad.value.clone()), (Some(true), None), "no value is null, not zero");
    let good = births[1].1.metrics[0].properties.clone().expect("properties");
    assert_eq!(good.keys, ["Quality", "engUnit", "nameZh", "nameEn", "highRed"]);
    assert_eq!(good.values[0].value, Some(PropertyKind::Int(192)));
    assert_eq!(bad.properties.clone().expect("properties").values[0].value, Some(PropertyKind::Int(0)));
}

#[test]
fn the_sequence_runs_to_255_and_begins_again_and_only_news_is_sent() {
    let mut node = node();
    let none = BTreeMap::new();
    let mut seqs = Vec::new();
    for step in 0..600 {
        let values = BTreeMap::from([(id("pz-1"), latest(Some(f64::from(step)), i64::from(step)))]);
        let out = node.data(&site(), &values, &none, NOW);
        assert_eq!(out.len(), if step == 0 { 3 } else { 1 });
        seqs.extend(out.iter().map(|out| read(out).1.seq.expect("seq")));
        assert!(node.data(&site(), &values, &none, NOW).is_empty(), "the same value is not sent twice");
    }
    assert!(seqs.iter().enumerate().all(|(n, seq)| *seq == n as u64 % 256), "{seqs:?}");
}

#[test]
fn a_metric_that_was_not_born_makes_a_new_birth_under_the_same_number() {
    let mut node = node();
    let values = BTreeMap::from([(id("pz-1"), latest(Some(1.0), 0))]);
    node.birth(&site(), &values, &BTreeMap::new(), NOW);
    let alarms = BTreeMap::from([("a".to_owned(), AlarmMetric { level: Level::Blue, active: true, at: NOW })]);
    let again: Vec<_> = node.data(&site(), &values, &alarms, NOW).iter().map(read).collect();
    assert!(again[0].0.contains("/NBIRTH/") && again[0].1.seq == Some(0));
    assert_eq!(again[0].1.metrics[0].value, Some(Value::Long(7)));
    let cleared = BTreeMap::from([("a".to_owned(), AlarmMetric { level: Level::Normal, active: false, at: NOW })]);
    let data: Vec<_> = node.data(&site(), &values, &cleared, NOW).iter().map(read).collect();
    assert_eq!(data.len(), 1);
    assert!(data[0].0.contains("/NDATA/"));
}

#[test]
fn a_gateway_that_is_gone_dies_once_and_is_born_again() {
    let mut node = node();
    assert_eq!(node.die(NOW), None, "never born");
    node.birth(&site(), &BTreeMap::new(), &BTreeMap::new(), NOW);
    assert!(node.die(NOW).is_some_and(|out| out.topic.contains("/NDEATH/")));
    assert_eq!(node.die(NOW), None);
    assert!(node.data(&site(), &BTreeMap::new(), &BTreeMap::new(), NOW)[0].topic.contains("/NBIRTH/"));
}

#[test]
fn only_a_true_rebirth_is_a_command_and_garbage_is_none() {
    let command = |name: &str, value| {
        Payload { timestamp: None, seq: None, metrics: vec![Metric::new(name, datatype::BOOLEAN, value, 0)] }
            .encode_to_vec()
    };
    assert!(asks_rebirth(&command(REBIRTH, Value::Boolean(true))));
    assert!(!asks_rebirth(&command(REBIRTH, Value::Boolean(false))));
    assert!(!asks_rebirth(&command("Node Control/Reboot", Value::Boolean(true))));
    assert!(!asks_rebirth(b"\xff\xff\xff"));
    assert_eq!(host_state(br#"{"online":true,"timestamp":5}"#), Some((true, 5)));
    assert_eq!(host_state(b"ONLINE"), None, "the form of version 2 is not this one");
}
