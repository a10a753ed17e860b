//! Proofs as text and as JSON.

use super::*;

fn evidence() -> Evidence {
    Evidence {
        value: Some(3.2),
        limit: Some(4.4),
        unit: Some("m".into()),
        quality: Quality::Uncertain,
        reason: Reason::Drift,
        at_us: 1_790_000_000_000_000,
        age_ms: 1_500,
        calibration: Some("pz1@2".into()),
    }
}

fn name(zh: &str, en: &str) -> NamedText {
    NamedText { zh: zh.into(), en: en.into() }
}

fn proof(points: usize) -> Proof {
    let point = |at: usize| Node {
        evidence: Some(evidence()),
        name: Some(name("渗压计", "piezometer")),
        ..Node::new(NodeKind::Point, &format!("pz{at:03}.depth"), if at == 0 { Level::Orange } else { Level::Blue })
    };
    let item =
        Node { name: Some(name("浸润线", "Phreatic line")), ..Node::new(NodeKind::Item, "phreatic", Level::Orange) };
    let action = Action {
        level: Level::Orange,
        trigger: name("橙色", "orange"),
        evidence: Vec::new(),
        owner: name("责任工程师", "engineer of record"),
        checklist: vec![name("降低库水位", "lower the pond")],
        acknowledge_by_us: 1,
        check_by_us: 2,
        stand_down: name("三日正常", "three normal days"),
    };
    Proof {
        version: VERSION,
        dam: "pond-1".into(),
        revision: "2026-11".into(),
        document: "OMS-1".into(),
        at_us: 1_790_000_001_500_000,
        from: Level::Yellow,
        to: Level::Orange,
        root: item.with_children((0..points).map(point).collect()),
        actions: vec![action],
        forecasts: Vec::new(),
    }
}

#[test]
fn a_proof_is_told_in_both_languages_and_by_both_rule_books() {
    let zh = proof(2).text(Language::Zh, View::Gb);
    for words in ["黄色预警 → 橙色预警", "浸润线", "测值 3.2m 限值 4.4m", "存疑", "率定 pz1@2", "降低库水位"]
    {
        assert!(zh.contains(words), "{zh}");
    }
    let en = proof(2).text(Language::En, View::Gistm);
    for words in
        ["orange: call the engineer of record", "Phreatic line", "uncertain (drift)", "1 s old", "lower the pond"]
    {
        assert!(en.contains(words), "{en}");
    }
}

#[test]
fn a_proof_of_any_size_fits_and_says_what_it_left_out() {
    for points in [0, 1, 30, 3_000] {
        let made = proof(points);
        let json = made.to_json();
        assert!(json.len() <= AlarmTransition::PROOF_BYTES_MAX, "{} bytes", json.len());
        let read = Proof::parse(&json).expect("reads back");
        let shown = read.root.children.len() + usize::try_from(read.root.omitted).expect("small");
        assert_eq!(shown, points);
        assert!(points == 0 || read.root.children[0].level == Level::Orange, "the worst is never left out");
    }
    let mut long = proof(20);
    long.root.children.iter_mut().for_each(|child| child.source = Some("x".repeat(2_000)));
    let read = Proof::parse(&long.to_json()).expect("reads back");
    assert!(read.root.children.len() < 20 && read.root.omitted > 0);
    assert_eq!(read.actions.len(), 1, "what is to be done is left out last");
}

#[test]
fn a_later_version_is_named() {
    let mut later = proof(1);
    later.version = 2;
    assert!(Proof::parse(&later.to_json()).expect_err("later").contains("version 2"));
}
