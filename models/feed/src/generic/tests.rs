use super::*;
use crate::Fault;
use crate::Problem;
use jiff::tz::TimeZone;
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::{Fact, Value};
use proptest::prelude::*;

const CONTRACTS: &str = r#"
layout = "csv"
kind = "contract"
key = ["合同编号"]
event_at = "signed_on"
org_from = "单位"
org_map = { "铜陵公司" = "minmetals/tongling" }
[[field]]
to = "buyer"
from = "单位"
[[field]]
to = "supplier"
from = ["供应商代码", "供应商"]
[[field]]
to = "amount"
from = "金额(万元)"
group = ","
scale = 4
[[field]]
to = "signed_on"
from = "签订日期"
dates = ["%Y年%m月%d日", "%Y/%m/%d"]
empty = ["-"]
[[field]]
to = "method"
from = "采购方式"
map = { "公开招标" = "open", "单一来源" = "direct" }
"#;

fn mapping(text: &str) -> Mapping {
    Mapping::parse(text, &Dictionary::shipped()).unwrap_or_else(|p| panic!("{}", p.join("\n")))
}

fn read(mapping_text: &str, bytes: &[u8]) -> (Vec<Fact>, Vec<Problem>) {
    let context = Context::bare("test", TimeZone::UTC);
    let (mut facts, mut problems) = (Vec::new(), Vec::new());
    for out in Mapped::new(bytes, mapping(mapping_text), context) {
        match out {
            Out::Fact(fact) => facts.push(*fact),
            Out::Problem(problem) => problems.push(problem),
        }
    }
    (facts, problems)
}

const TABLE: &str = "合同编号,单位,供应商,金额(万元),签订日期,采购方式\r\n\
    HT-1,铜陵公司,91340700151114200D,\"1,234.5678\",2026年3月1日,公开招标\r\n\
    HT-2,铜陵公司,S2,12,-,单一来源\r\n\
    HT-3,某处,S3,1,2026/03/02,open\r\n\
    HT-4,铜陵公司,S4,一万,2026/03/02,open\r\n\
    HT-5,铜陵公司,S5\r\n\
    HT-6,铜陵公司,,7,2026/02/30,open\r\n";

#[test]
fn a_table_of_a_chinese_system_becomes_facts_and_bad_rows_cost_themselves() {
    let (gb, _, _) = encoding_rs::GB18030.encode(TABLE);
    for bytes in [TABLE.as_bytes(), &["\u{feff}", TABLE].concat().into_bytes(), gb.as_ref()] {
        let (facts, problems) = read(CONTRACTS, bytes);
        let keys: Vec<&str> = facts.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["HT-1", "HT-2"], "{problems:?}");
        assert_eq!(facts[0].org.as_str(), "minmetals/tongling");
        assert_eq!(facts[0].field("amount").map(Value::plain).as_deref(), Some("12345678.0000 CNY"));
        assert_eq!(facts[0].field("signed_on").map(Value::plain).as_deref(), Some("2026-03-01"));
        assert_eq!(facts[0].field("method").map(Value::plain).as_deref(), Some("open"));
        assert_eq!((facts[1].field("signed_on"), facts[0].lineage.locator.as_str()), (None, "line 2"));
        let told: Vec<_> = problems.iter().map(|p| (p.place.to_string(), p.fault)).collect();
        assert_eq!(
            told,
            [
                ("line 4, 单位".to_owned(), Fault::Unknown),
                ("line 5, 金额(万元)".to_owned(), Fault::Value),
                ("line 6".to_owned(), Fault::Syntax),
                ("line 7, 签订日期".to_owned(), Fault::Value),
            ]
        );
        assert!(problems.iter().all(|p| p.raw.as_deref().is_some_and(|raw| raw.contains("HT-"))));
    }
}

#[test]
fn json_lines_documents_and_xml_give_the_same_fact() {
    let body = "kind = 'list_entry'\nkey = ['list', 'party']\nevent_at = 'valid_from'\norg = 'minmetals'\n\
        [[field]]\nto = 'list'\nconstant = 'dishonest'\n[[field]]\nto = 'party'\nfrom = 'who.code'\n\
        [[field]]\nto = 'valid_from'\nfrom = 'from'\n";
    let object = r#"{"who":{"code":"91X"},"from":"2026-01-02","tags":["a","b"]}"#;
    let documents = [
        (format!("layout = 'jsonl'\n{body}"), format!("\n{object}\n")),
        (format!("layout = 'json'\nrecords = '/data/rows'\n{body}"), format!(r#"{{"data":{{"rows":[{object}]}}}}"#)),
        (
            format!("layout = 'xml'\nrecords = '/list/row'\n{body}"),
            "<list><note/><row><who><code>91X</code></who><from>2026-01-02</from></row></list>".to_owned(),
        ),
    ];
    for (mapping, document) in documents {
        let (facts, problems) = read(&mapping, document.as_bytes());
        assert_eq!((facts.len(), problems.len()), (1, 0), "{problems:?}");
        assert_eq!(facts[0].key, "dishonest|91X");
        assert_eq!(facts[0].event_at_us, 1_767_283_200_000_000);
    }
}

#[test]
fn a_mapping_that_does_not_fit_is_refused_with_every_reason() {
    let text = "layout = 'csv'\nkind = 'contract'\nkey = ['x']\nevent_at = 'amount'\norg = 'A B'\nencoding = 'ebcdic'\n\
        [[field]]\nto = 'nonsense'\nfrom = 'a'\n[[field]]\nto = 'amount'\n";
    let problems = Mapping::parse(text, &Dictionary::shipped()).expect_err("refused");
    for word in ["nonsense", "needs from or constant", "buyer is required", "event_at:", "org:", "encoding:"] {
        assert!(problems.iter().any(|p| p.contains(word)), "{word} in {problems:#?}");
    }
}

#[test]
fn a_document_of_another_layout_is_told_as_such() {
    let (facts, problems) = read(CONTRACTS, b"");
    assert_eq!((facts.len(), problems.len()), (0, 1));
    let (facts, problems) = read(CONTRACTS, b"a,b\n1,2\n");
    assert_eq!(facts.len(), 0);
    assert!(problems[0].why.contains("unit") || problems[0].why.contains("key"), "{problems:?}");
    let (_, problems) = read(CONTRACTS, "单位,单位\n1,2\n".as_bytes());
    assert!(problems[0].why.contains("stands twice"), "{problems:?}");
}

#[test]
fn a_field_of_gigabytes_ends_the_document_in_bounded_memory() {
    use std::io::{BufReader, Read};
    let endless = b"a,b\n1,\"".chain(std::io::repeat(b'x').take(10_000_000_000));
    let out: Vec<_> =
        Mapped::new(BufReader::new(endless), mapping(CONTRACTS), Context::bare("x", TimeZone::UTC)).collect();
    assert!(matches!(out.as_slice(), [Out::Problem(p)] if p.fault == Fault::Limit), "{out:?}");
}

proptest! {
    #[test]
    fn no_bytes_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..400), layout in 0usize..4) {
        let layout = ["csv", "jsonl", "json", "xml"][layout];
        let text = CONTRACTS.replace("\"csv\"", &format!("{layout:?}"));
        let _ = read(&text, &bytes);
    }
}
