use super::*;
use crate::fact::{Fact, Value, from_plain, to_plain};

const CONTRACT: &str = r#"{"kind":"contract","key":"c1","org":"minmetals/south","event_at":"2026-03-01",
    "fields":{"buyer":"b","supplier":"s","amount":"4000000.10 CNY","signed_on":"2026-03-01","method":null}}"#;

fn contract() -> Fact {
    from_plain(CONTRACT, &Dictionary::shipped()).expect("a fact")
}

#[test]
fn the_shipped_files_are_sound() {
    let (dictionary, faults) = Dictionary::read(SHIPPED);
    assert_eq!(faults, []);
    assert!(dictionary.kinds().count() >= 35, "{}", dictionary.kinds().count());
    for kind in dictionary.kinds() {
        for element in dictionary.elements(kind.as_str()) {
            assert!(!element.name_zh.is_empty() && !element.name_en.is_empty() && !element.owner.is_empty());
        }
    }
}

#[test]
fn a_dictionary_written_out_is_read_back() {
    let shipped = Dictionary::shipped();
    let (again, faults) = Dictionary::read([("out.csv", shipped.to_csv().as_str())]);
    assert_eq!((again, faults), (shipped, Vec::new()));
}

#[test]
fn a_bad_line_is_named_and_costs_only_itself() {
    let text = "kind,id,type,required,name_zh,name_en,definition,owner,unit,caliber\n\
        a,x,number,true,甲,x,,o,,\na,y,text,true,乙,y,,o,,\n";
    let (dictionary, faults) = Dictionary::read([("own.csv", text)]);
    assert_eq!((faults.len(), faults[0].line), (1, 2));
    assert!(dictionary.element("a", "y").is_some());
}

#[test]
fn a_fact_that_fits_has_no_problems_and_survives_a_round_trip() {
    let fact = contract();
    assert_eq!(Dictionary::shipped().validate(&fact), []);
    assert_eq!(fact.fields.len(), 4);
    assert_eq!(from_plain(&to_plain(&fact), &Dictionary::shipped()), Ok(fact));
}

#[test]
fn what_does_not_fit_is_told_field_by_field() {
    let dictionary = Dictionary::shipped();
    let mut fact = contract();
    fact.fields.remove("supplier");
    fact.fields.insert(ElementId::parse("signed_on").expect("a name"), Value::Flag(true));
    fact.fields.insert(ElementId::parse("colour").expect("a name"), Value::Flag(true));
    fact.key = String::new();
    let told: Vec<String> = dictionary.validate(&fact).iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    let strange = Fact { kind: FactKind::parse("weather").expect("a name"), key: "k".into(), ..contract() };
    assert_eq!(dictionary.validate(&strange), [Problem::UnknownKind { kind: "weather".into() }]);
}

#[test]
fn a_day_that_does_not_exist_is_refused_with_its_element() {
    let line = CONTRACT.replace("2026-03-01\",\"method", "2026-02-30\",\"method");
    let error = from_plain(&line, &Dictionary::shipped()).expect_err("no such day").to_string();
    assert!(error.contains("signed_on"), "{error}");
}
