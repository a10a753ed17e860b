//! The shipped example, and mistakes.

use super::*;

const NOW: At = At(1_795_600_800_000_000);

fn example(name: &str) -> Mapping {
    let path = format!("{}/../firmware-configs/regulator/{name}", env!("CARGO_MANIFEST_DIR"));
    Mapping::parse(&std::fs::read_to_string(path).expect("shipped")).expect("sound")
}

fn alarm(why: &str) -> Record {
    let text = |text: &str| Field::Text(text.to_owned());
    let values = [
        text("gw-1/pz-1.high/3"),
        text("raised"),
        text("gw-1"),
        text("pz-1.high"),
        Field::Number(3.0),
        text("threshold"),
        text("pz-1"),
        text("red"),
        text("normal"),
        Field::Time(NOW),
        Field::Number(9.25),
        Field::Number(9.0),
        text("r#1"),
        text(why),
        text("group"),
        text("company"),
        text("mine-1"),
        text("pond-a"),
        text("甲库"),
        text("pond A"),
    ];
    Record { kind: Kind::Alarm, fields: Kind::Alarm.fields().iter().copied().zip(values).collect() }
}

#[test]
fn the_shipped_file_example_gives_these_bytes() {
    let rendered =
        example("example-file.toml").render(Kind::Alarm, 7, NOW, &[alarm("a;\"b\"\nc")]).expect("has alarms");
    assert_eq!(rendered.name, "GJXX_20261125180000_00000007.txt");
    assert_eq!(
        rendered.content,
        "340700000001;GJ;gw-1/pz-1.high/3;甲库;pz-1;1;1;2026-11-25 18:00:00;9.25;9.00;\"a;\"\"b\"\" c\"\r\n"
    );
    assert_eq!(rendered.unmapped, 0);
}

#[test]
fn the_shipped_http_example_is_json_and_counts_what_no_table_names() {
    let mut record = alarm("why");
    for (name, value) in &mut record.fields {
        if *name == "mine" {
            *value = Field::Text("mine-9".to_owned());
        }
    }
    let rendered = example("example-http.toml").render(Kind::Alarm, 7, NOW, &[record]).expect("has alarms");
    let document: Value = serde_json::from_str(&rendered.content).expect("JSON");
    assert_eq!(document["records"][0]["mineCode"], "000000000000");
    assert_eq!(document["records"][0]["level"], "1");
    assert_eq!((rendered.unmapped, document["number"].as_i64()), (1, Some(7)));
}

#[test]
fn every_mistake_of_a_mapping_is_named_at_once() {
    let text = "about = 'x'\n[package]\nformat = 'csv'\nname = 'a/{kind}'\nseparator = ''\ntime_zone = 'x'\nrecords_max = 0\n\
        [alarm]\ncode = 'A'\nfield = [{ name = 'a', from = 'password' }, { name = 'b' }, { name = 'c', from = 'level', codes = 'no' }, \
        { name = 'd', from = 'at', format = '%' }]\n[codes.level]\nred = '1'\n";
    let problems = Mapping::parse(text).expect_err("mistakes");
    for place in [
        "package.name: must contain {number}",
        "package.name: must be a file name",
        "package.separator",
        "package.time_zone",
        "package.records_max",
        "alarm.field[0] \"a\": from",
        "alarm.field[1] \"b\": give",
        "alarm.field[2] \"c\": codes",
        "alarm.field[3] \"d\": format",
        "codes.level: needs",
    ] {
        assert!(problems.iter().any(|p| p.starts_with(place)), "{place} in {problems:#?}");
    }
}

#[test]
fn a_case_of_another_domain_is_not_this_platforms() {
    let step = |domain: &str| Record { kind: Kind::Disposal, fields: vec![("domain", Field::Text(domain.to_owned()))] };
    let mapping = example("example-file.toml");
    assert!(mapping.wants(&step("dam")) && mapping.wants(&step("fall")));
    assert!(!mapping.wants(&step("treasury")), "a payment warning is nobody's business there");
}
