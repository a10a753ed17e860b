use super::*;
use crate::facts::{Context, Facts, Out};
use crate::number::{Style, decimal};
use crate::problem::Gravity;
use crate::statement::Settles;
use jiff::tz::TimeZone;
use minewatch_risk::fact::Fact;
use proptest::prelude::*;

fn document(version: &str, inside: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}'>\
         <BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>{inside}</BkToCstmrStmt></Document>"
    )
}

fn balance(code: &str, cents: i64) -> String {
    let amount = rust_decimal::Decimal::new(cents.abs(), 2);
    let sign = if cents < 0 { "DBIT" } else { "CRDT" };
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>\
         <Dt><Dt>2026-03-01</Dt></Dt></Bal>"
    )
}

fn entry(cents: i64, status: &str) -> String {
    let amount = rust_decimal::Decimal::new(cents.abs(), 2);
    let sign = if cents < 0 { "DBIT" } else { "CRDT" };
    format!(
        "<Ntry><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>{status}</Sts><BookgDt><Dt>2026-03-01</Dt></BookgDt></Ntry>\n"
    )
}

const ACCOUNT: &str = "<Id>S1</Id><Acct><Id><Othr><Id>4301</Id></Othr></Id><Ccy>CNY</Ccy></Acct>";

fn read(text: &str) -> (Vec<Fact>, Vec<Problem>) {
    let items = Camt::new(text.as_bytes(), Encoding::Auto);
    let (mut facts, mut problems) = (Vec::new(), Vec::new());
    for out in Facts::new(items, Context::bare("test", TimeZone::UTC)).expect("kinds") {
        match out {
            Out::Fact(fact) => facts.push(*fact),
            Out::Problem(problem) => problems.push(problem),
        }
    }
    (facts, problems)
}

fn said(fact: &Fact, element: &str) -> String {
    fact.field(element).map(|value| value.plain()).unwrap_or_default()
}

#[test]
fn a_statement_becomes_facts_whatever_the_version_keeps_its_status_in() {
    for status in ["BOOK", "<Cd>BOOK</Cd>"] {
        let inside = format!(
            "<Stmt>{ACCOUNT}{}{}{}{}</Stmt>",
            balance("OPBD", 1000),
            balance("CLBD", 700),
            entry(-500, status),
            entry(200, status)
        );
        let (facts, problems) = read(&document("08", &inside));
        assert_eq!(problems, []);
        let [one, two, statement] = facts.as_slice() else { panic!("{facts:?}") };
        assert_eq!((one.kind.as_str(), said(one, "amount")), ("bank_entry", "-5.00 CNY".to_owned()));
        assert_eq!(said(two, "account"), "4301");
        assert_eq!(
            (said(statement, "settles"), said(statement, "entries")),
            ("yes".to_owned(), "-3.00 CNY".to_owned())
        );
    }
}

#[test]
fn a_break_is_told_and_an_entry_that_cannot_be_read_makes_the_check_not_possible() {
    let inside =
        format!("<Stmt>{ACCOUNT}{}{}{}</Stmt>", balance("OPBD", 1000), balance("CLBD", 701), entry(-300, "BOOK"));
    let (facts, _) = read(&document("02", &inside));
    assert_eq!(said(&facts[1], "settles"), "break: 7.00 CNY expected, 7.01 found");
    let bad = entry(-300, "BOOK").replace("3.00", "3,00");
    let (facts, problems) = read(&document("02", &inside.replace(&entry(-300, "BOOK"), &bad)));
    assert_eq!(said(&facts[0], "settles"), "not_possible: entries that could not be read");
    assert_eq!(facts[0].field("entries"), None);
    assert!(
        matches!(problems.as_slice(), [p] if p.gravity == Gravity::Record && p.place.path.ends_with("/Stmt/Ntry/Amt")),
        "{problems:?}"
    );
}

#[test]
fn documents_of_another_kind_cut_or_empty_are_refused_with_their_place() {
    let whole = document("02", &format!("<Stmt>{ACCOUNT}{}</Stmt>", entry(1, "BOOK")));
    for (text, fault) in [
        (whole.replace("camt.053", "pacs.008"), Fault::Unsupported),
        ("<a/>".to_owned(), Fault::Unsupported),
        (String::new(), Fault::Missing),
        (document("02", ""), Fault::Missing),
        (whole[..whole.len() - 30].to_owned(), Fault::Syntax),
    ] {
        let (_, problems) = read(&text);
        let last = problems.last().expect("a problem");
        assert_eq!((last.fault, last.gravity), (fault, Gravity::Document), "{last}");
    }
}

#[test]
fn orders_to_pay_become_payments() {
    let text = "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.001.001.09'><CstmrCdtTrfInitn><GrpHdr><MsgId>M1</MsgId></GrpHdr>\
        <PmtInf><PmtInfId>P1</PmtInfId><ReqdExctnDt><Dt>2026-03-05</Dt></ReqdExctnDt><Dbtr><Nm>甲公司</Nm></Dbtr>\
        <DbtrAcct><Id><Othr><Id>111</Id></Othr></Id></DbtrAcct>\
        <CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId><Amt><InstdAmt Ccy='CNY'>1000000.00</InstdAmt></Amt><Cdtr><Nm>乙公司</Nm>\
        <Id><OrgId><Othr><Id>91X</Id></Othr></OrgId></Id></Cdtr><CdtrAcct><Id><IBAN>222</IBAN></Id></CdtrAcct>\
        <RmtInf><Ustrd>发票号：No-77 货款</Ustrd></RmtInf></CdtTrfTxInf>\
        <CdtTrfTxInf><PmtId><EndToEndId>E2</EndToEndId></PmtId><Amt/></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>";
    let items = Payments::new(text.as_bytes(), Encoding::Auto);
    let out: Vec<Out> = Facts::new(items, Context::bare("test", TimeZone::UTC)).expect("kinds").collect();
    let [Out::Fact(fact), Out::Problem(problem)] = out.as_slice() else { panic!("{out:?}") };
    for (element, value) in [
        ("payer_account", "111"),
        ("payee_account", "222"),
        ("payee", "91X"),
        ("payee_name", "乙公司"),
        ("amount", "1000000.00 CNY"),
        ("invoice", "No-77"),
        ("paid_at", "2026-03-05T00:00:00Z"),
    ] {
        assert_eq!(said(fact, element), value, "{element}");
    }
    assert!(fact.key.starts_with("M1/P1|E1") && problem.why.contains("without an amount"), "{problem}");
}

proptest! {
    #[test]
    fn sums_are_exact_and_the_check_is_right(opening in -10_000_000i64..10_000_000, cents in proptest::collection::vec(-1_000_000i64..1_000_000, 0..30), off in -1i64..2) {
        let closing = opening + cents.iter().sum::<i64>() + off;
        let entries: String = cents.iter().map(|c| entry(*c, "BOOK")).collect();
        let text = document("04", &format!("<Stmt>{ACCOUNT}{}{}{entries}</Stmt>", balance("OPBD", opening), balance("CLBD", closing)));
        let statements: Vec<_> = Camt::new(text.as_bytes(), Encoding::Auto)
            .filter_map(|item| match item { Item::Statement(s) => Some(*s), Item::Entry(_) | Item::Payment(_) | Item::Problem(_) => None })
            .collect();
        prop_assert_eq!(statements.len(), 1);
        prop_assert_eq!(statements[0].settles() == Settles::Yes, off == 0);
        prop_assert_eq!(statements[0].entries, cents.len() as u64);
    }

    #[test]
    fn a_document_cut_anywhere_is_never_taken_for_a_whole_one(at in 0usize..700) {
        let whole = document("02", &format!("<Stmt>{ACCOUNT}{}</Stmt>", entry(1, "BOOK")));
        prop_assume!(at < whole.len());
        let items: Vec<Item> = Camt::new(&whole.as_bytes()[..at], Encoding::Utf8).collect();
        let refused = items.iter().any(|item| matches!(item, Item::Problem(p) if p.gravity == Gravity::Document));
        prop_assert!(refused, "cut at {at}");
    }
}

#[test]
fn an_amount_keeps_its_five_decimals() {
    assert_eq!(decimal("27.00005", Style::POINT).map(|d| d.to_string()).as_deref(), Some("27.00005"));
}
