use super::*;
use jiff::tz::TimeZone;
use minewatch_risk::fact::Fact;

fn read(bytes: &[u8]) -> (Vec<Fact>, Vec<Problem>) {
    let (mut facts, mut problems) = (Vec::new(), Vec::new());
    for out in Ocds::new(bytes, Context::bare("test", TimeZone::UTC)) {
        match out {
            Out::Fact(fact) => facts.push(*fact),
            Out::Problem(problem) => problems.push(problem),
        }
    }
    (facts, problems)
}

const RELEASE: &str = r#"{"ocid":"o-1","date":"2026-02-01T00:00:00Z","buyer":{"id":"B"},
 "tender":{"procurementMethod":"open","numberOfTenderers":2,"tenderPeriod":{"startDate":"2026-01-01","endDate":"2026-01-20T09:00:00Z"}},
 "bids":{"details":[{"id":"1","status":"valid","tenderers":[{"id":"S1"}],"value":{"amount":10.10,"currency":"CNY"}},{"id":"2"}]},
 "awards":[{"id":"a","suppliers":[{"id":"S1","name":"甲"}],"value":{"amount":10,"currency":"CNY"},"date":"2026-01-25"}],
 "contracts":[{"id":"c","awardID":"a","dateSigned":"2026-02-01"}]}"#;

#[test]
fn a_release_gives_its_tender_bids_awards_and_contracts_in_every_wrapping() {
    let line = RELEASE.replace('\n', "");
    let wrapped = [
        line.clone(),
        RELEASE.to_owned(),
        format!("[{line}]"),
        format!("{{\"releases\":[{line}]}}"),
        format!("{{\"records\":[{{\"ocid\":\"o-1\",\"compiledRelease\":{RELEASE}}}]}}"),
        format!("\u{feff}{{\"ocid\":\"o-1\",\"releases\":[{line}]}}\n"),
    ];
    for document in wrapped {
        let (facts, problems) = read(document.as_bytes());
        let keys: Vec<String> = facts.iter().map(|f| format!("{} {}", f.kind, f.key)).collect();
        assert_eq!(
            keys,
            ["tender o-1", "bid o-1/bid/1", "award o-1/award/a", "contract o-1/contract/c"],
            "{problems:?} in {document}"
        );
        assert!(matches!(problems.as_slice(), [p] if p.why.contains("without a tenderer")), "{problems:?}");
        assert_eq!(facts[3].field("amount").map(|v| v.plain()).as_deref(), Some("10 CNY"));
    }
}

#[test]
fn lines_that_are_broken_cost_themselves() {
    let line = RELEASE.replace('\n', "");
    let mut bytes = format!("{line}\n{{\"ocid\":\n{{\"x\":1}}\n").into_bytes();
    bytes.extend_from_slice(b"{\"ocid\":\"\xff\"}\n");
    bytes.extend_from_slice(line.replace("o-1", "o-2").as_bytes());
    let (facts, problems) = read(&bytes);
    assert_eq!(facts.len(), 8);
    let told: Vec<_> =
        problems.iter().filter(|p| !p.why.contains("tenderer")).map(|p| (p.place.line, p.fault)).collect();
    assert_eq!(told, [(2, Fault::Syntax), (3, Fault::Missing), (4, Fault::Encoding)]);
    let (facts, problems) = read(b"");
    assert!(facts.is_empty() && problems.len() == 1);
}
