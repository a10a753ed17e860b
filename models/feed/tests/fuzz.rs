//! The fuzz target of `tests/fuzz` over seeds and changed seeds.

#[path = "../../../tests/fuzz/bodies/feeds.rs"]
mod feeds;
#[path = "../../../tests/fuzz/bodies/smoke.rs"]
mod smoke;

const CAMT: &str = "<?xml version='1.0'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'><BkToCstmrStmt><Stmt><Id>1</Id>\
    <Acct><Id><IBAN>A1</IBAN></Id></Acct><Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
    <Dt><Dt>2026-01-01</Dt></Dt></Bal><Ntry><Amt Ccy='CNY'>1.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts>\
    <NtryDtls><TxDtls><RmtInf><Ustrd>a &amp; b</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>";
const PAIN: &str = "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.001.001.03'><CstmrCdtTrfInitn><PmtInf><PmtInfId>1</PmtInfId>\
    <ReqdExctnDt>2026-01-01</ReqdExctnDt><DbtrAcct><Id><IBAN>A</IBAN></Id></DbtrAcct><CdtTrfTxInf><Amt><InstdAmt Ccy='CNY'>1</InstdAmt></Amt>\
    <CdtrAcct><Id><IBAN>B</IBAN></Id></CdtrAcct></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>";
const MT940: &str = "{1:F01X}{4:\n:20:S\n:25:1/2EUR\n:28C:1/1\n:60F:C260101EUR1,00\n:61:2601010101RC1,00NMSCREF//BANK\nmore\n:86:166?00A?20EREF+1?32N\n\
    :NS:01a\n15b\n:62M:C260101EUR0,00\n-}\n:20:S\n:60M:C260101EUR0,00\n:13D:2601010101+0000\n:62F:C260101EUR0,00\n-\n";
const OCDS: &str = "{\"ocid\":\"o\",\"buyer\":{\"id\":\"B\"},\"tender\":{\"procurementMethod\":\"open\"},\"bids\":{\"details\":[{\"tenderers\":[{\"id\":1}]}]},\
    \"awards\":[{\"id\":\"a\",\"date\":\"2026-01-01\",\"suppliers\":[{\"name\":\"s\"}],\"value\":{\"amount\":1.5}}],\"contracts\":[{\"awardID\":\"a\"}]}\n";

fn seed(which: u8, document: &str) -> Vec<u8> {
    [&[which], document.as_bytes()].concat()
}

#[test]
fn business_feeds_of_any_bytes_end_and_say_why() {
    let seeds = [
        seed(0, CAMT),
        seed(1, PAIN),
        seed(2, MT940),
        seed(3, OCDS),
        seed(4, "p,d,x\n\"a\"\"b\",2026/01/02,=1+1\n"),
        seed(5, "p\td\na\t2026-01-02\n"),
        seed(6, "[{\"p\":\"a\",\"d\":\"2026-01-02\"}]"),
        seed(7, "{\"b\":{\"c\":\"a\"},\"d\":\"2026-01-02\"}\n"),
        seed(8, "<a><b><p>x</p><d>2026-01-02</d></b></a>"),
        seed(9, "layout = 'csv'\nkind = 'list_entry'\nkey = ['x']\n[[field]]\nto = 'list'\nfrom = 'x'\n"),
        seed(2, "\u{feff}:20:矿\n"),
    ];
    smoke::run(&seeds, 6_000, feeds::body);
}
