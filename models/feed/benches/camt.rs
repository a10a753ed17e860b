//! camt.053 to facts against a bare scan of the same bytes by the same XML reader; one core.
//! Prints one JSON line.
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use jiff::tz::TimeZone;
use minewatch_feed::bytes::Encoding;
use minewatch_feed::facts::{Context, Out};
use minewatch_feed::reader::{Wanted, read};
use minewatch_feed::sniff::Format;
use std::fmt::Write;
use std::io::BufReader;
use std::time::Instant;

/// Entries of the statement: about 40 MB.
const ENTRIES: u32 = 40_000;
/// Rounds, in turn; the median counts.
const ROUNDS: usize = 5;

fn document() -> String {
    let mut text = String::with_capacity(48 << 20);
    text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">\n<BkToCstmrStmt>\n<GrpHdr><MsgId>M1</MsgId></GrpHdr>\n<Stmt>\n<Id>S1</Id>\n<CreDtTm>2026-03-02T08:00:00</CreDtTm>\n<ElctrncSeqNb>12</ElctrncSeqNb>\n<Acct><Id><IBAN>NL26VAYB8060476890</IBAN></Id><Ccy>CNY</Ccy></Acct>\n",
    );
    for n in 0..ENTRIES {
        let _ = write!(
            text,
            "      <Ntry>\n        <NtryRef>{n}</NtryRef>\n        <Amt Ccy=\"CNY\">{}.{:02}</Amt>\n        <CdtDbtInd>{}</CdtDbtInd>\n        <RvslInd>false</RvslInd>\n        <Sts><Cd>BOOK</Cd></Sts>\n        <BookgDt>\n          <Dt>2026-03-01</Dt>\n        </BookgDt>\n        <ValDt>\n          <Dt>2026-03-01</Dt>\n        </ValDt>\n        <AcctSvcrRef>ACSR{n:012}</AcctSvcrRef>\n        <BkTxCd>\n          <Domn>\n            <Cd>PMNT</Cd>\n            <Fmly>\n              <Cd>RCDT</Cd>\n              <SubFmlyCd>DMCT</SubFmlyCd>\n            </Fmly>\n          </Domn>\n        </BkTxCd>\n        <NtryDtls>\n          <TxDtls>\n            <Refs>\n              <EndToEndId>E2E-{n:010}</EndToEndId>\n            </Refs>\n            <RltdPties>\n              <Dbtr>\n                <Pty><Nm>铜陵某矿业有限公司 {n}</Nm></Pty>\n              </Dbtr>\n              <DbtrAcct>\n                <Id><Othr><Id>6222{n:012}</Id></Othr></Id>\n              </DbtrAcct>\n            </RltdPties>\n            <RmtInf>\n              <Ustrd>货款 合同 HT-{n:08} payment for concentrate</Ustrd>\n            </RmtInf>\n          </TxDtls>\n        </NtryDtls>\n      </Ntry>\n",
            n % 100_000,
            n % 100,
            if n % 2 == 0 { "CRDT" } else { "DBIT" }
        );
    }
    text.push_str("</Stmt>\n</BkToCstmrStmt>\n</Document>\n");
    text
}

/// Seconds of a bare scan.
fn scan(text: &str) -> f64 {
    let started = Instant::now();
    let mut reader = quick_xml::Reader::from_reader(BufReader::with_capacity(256 << 10, text.as_bytes()));
    let (mut buffer, mut events) = (Vec::new(), 0u64);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => events += 1,
            Err(error) => panic!("the document is sound: {error}"),
        }
    }
    assert!(events > u64::from(ENTRIES));
    started.elapsed().as_secs_f64()
}

/// Seconds to facts.
fn facts(text: &str, context: &Context) -> f64 {
    let started = Instant::now();
    let input = BufReader::with_capacity(256 << 10, text.as_bytes());
    let wanted = Wanted::Format(Format::Camt, Encoding::Auto);
    let found = read(input, wanted, context.clone()).filter(|out| matches!(out, Out::Fact(_))).count();
    assert_eq!(found as u32, ENTRIES + 1);
    started.elapsed().as_secs_f64()
}

fn main() {
    let (text, context) = (document(), Context::bare("bench", TimeZone::UTC));
    let (mut ratios, mut bare, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (b, o) = (scan(&text), facts(&text, &context));
        ratios.push(b / o);
        bare.push(b);
        ours.push(o);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let megabytes = text.len() as f64 / 1e6;
    println!(
        "{{\"ratio\":{:.4},\"scan_mb_s\":{:.1},\"facts_mb_s\":{:.1},\"megabytes\":{megabytes:.1},\"entries\":{ENTRIES}}}",
        median(ratios),
        megabytes / median(bare),
        megabytes / median(ours)
    );
}
