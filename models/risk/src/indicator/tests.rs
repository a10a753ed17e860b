use super::*;
use crate::dictionary::Dictionary;
use crate::fact::{Fact, from_plain};
use minewatch_domain::OrgPath;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

fn fact(key: &str, org: &str, day: &str, amount: &str, known: &str) -> Fact {
    let line = format!(
        r#"{{"kind":"contract","key":"{key}","org":"{org}","event_at":"{day}","known_at":"{known}","fields":
        {{"buyer":"b","supplier":"s","amount":"{amount}","budget":"200","method":"tender"}}}}"#
    );
    from_plain(&line, &Dictionary::shipped()).expect("a fact")
}

fn org(text: &str) -> OrgPath {
    OrgPath::parse(text).expect("a path")
}

const MARCH: Month = Month(2026 * 12 + 2);

#[test]
fn the_shipped_catalogue_has_1400_different_indicators_over_nine_areas() {
    let catalogue = Catalogue::shipped();
    let ids: BTreeSet<&str> = catalogue.indicators.iter().map(|i| i.id.as_str()).collect();
    let names: BTreeSet<&str> = catalogue.indicators.iter().map(|i| i.name_zh.as_str()).collect();
    assert_eq!((catalogue.indicators.len(), ids.len(), names.len()), (1_400, 1_400, 1_400));
    let areas: BTreeSet<&str> = catalogue.indicators.iter().map(|i| i.area.as_str()).collect();
    assert_eq!(areas.len(), 9, "{areas:?}");
    let dictionary = Dictionary::shipped();
    for measure in catalogue.measures.iter().filter(|measure| !measure.element.is_empty()) {
        assert!(dictionary.element(&measure.kind, &measure.element).is_some(), "{}", measure.id);
    }
}

#[test]
fn values_roll_up_follow_corrections_and_lead_down_to_the_record() {
    let mut values = Values::new(Catalogue::shipped());
    values.take(&fact("c1", "g/a/m", "2026-03-02", "100", "2026-03-02"));
    values.take(&fact("c2", "g/b", "2026-03-09", "50", "2026-03-09"));
    values.take(&fact("c3", "g/a/m", "2026-02-01", "60", "2026-02-01"));
    let of = |values: &Values, id: &str, unit: &str| {
        let indicator = values.catalogue().find(id).expect("an indicator").clone();
        values.value(&indicator, &org(unit), MARCH).map(|v| v.round_dp(4).normalize().to_string())
    };
    let (month, ytd) = ("procurement.contract_amount.month", "procurement.contract_amount.ytd");
    assert_eq!(of(&values, month, "g").as_deref(), Some("150"));
    assert_eq!(of(&values, month, "g/a").as_deref(), Some("100"));
    assert_eq!(of(&values, ytd, "/").as_deref(), Some("210"));
    assert_eq!(of(&values, "procurement.contract_amount.mom", "g/a").as_deref(), Some("0.6667"));
    assert_eq!(of(&values, "procurement.savings_rate.month", "g/a").as_deref(), Some("0.5"));
    assert_eq!(of(&values, month, "g/c"), None, "no data is no value");
    values.take(&fact("c1", "g/a/m", "2026-03-02", "70", "2026-03-20"));
    values.take(&fact("c1", "g/a/m", "2026-03-02", "999", "2026-03-10"));
    assert_eq!(of(&values, month, "g/a").as_deref(), Some("70"), "corrected; the older statement changes nothing");
    let measure = values.catalogue().measures.iter().position(|m| m.id == "contract_amount").expect("a measure");
    let records: Vec<(&str, Decimal)> =
        values.records(measure, &org("g"), MARCH, MARCH).map(|(fact, value)| (fact.key.as_str(), value)).collect();
    assert_eq!(records, [("c1", Decimal::from(70)), ("c2", Decimal::from(50))]);
}

#[test]
fn an_indicator_is_judged_against_its_plan_and_silence_is_not_good() {
    let mut values = Values::new(Catalogue::shipped());
    let indicator = values.catalogue().find("procurement.contract_amount.month").expect("one").clone();
    let unit = org("g");
    assert_eq!(values.status(&indicator, &unit, MARCH), Status::NoData);
    values.take(&fact("c1", "g", "2026-03-02", "80", "2026-03-02"));
    assert_eq!(values.status(&indicator, &unit, MARCH), Status::NoPlan);
    let plan = r#"{"kind":"plan","key":"p","org":"g","event_at":"2026-01-01","fields":
        {"indicator":"procurement.contract_amount","period":"2026-03","value":"PLAN"}}"#;
    for (value, wanted) in
        [("84", Status::Good), ("85", Status::Warning), ("100", Status::Alarm), ("0", Status::NoPlan)]
    {
        values.take(&from_plain(&plan.replace("PLAN", value), &Dictionary::shipped()).expect("a plan"));
        assert_eq!(values.status(&indicator, &unit, MARCH), wanted, "{value}");
    }
}

#[test]
fn exports_hold_every_indicator_and_no_formula_of_a_spreadsheet() {
    let catalogue = Catalogue::shipped();
    assert_eq!(catalogue.to_csv().lines().count(), 1_401);
    assert_eq!(catalogue.to_dcat()["dcat:dataset"].as_array().map(Vec::len), Some(1_400));
    assert_eq!(sheet_safe("=1+1"), "'=1+1");
    assert_eq!(catalogue.search("节约率").count(), 12);
}
