//! `Ntry` of a camt message.

use super::parts::{amount, fill, is_credit, narrate, number, party, signed, some, when};
use crate::problem::{Fault, Problem};
use crate::statement::{Account, Entry, Party};
use crate::when::When;
use crate::xml::Xml;
use minewatch_risk::fact::Money;
use std::io::BufRead;

/// What an entry takes from its statement.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) account: &'a Account,
    pub(super) statement: &'a str,
    pub(super) number: u64,
}

#[derive(Default)]
struct Draft {
    money: Option<Result<Money, Problem>>,
    credit: Option<Result<bool, Problem>>,
    reversal: bool,
    status: Option<String>,
    booked: Option<When>,
    value: Option<When>,
    bank_reference: Option<String>,
    own_reference: Option<String>,
    end_to_end: Option<String>,
    code: Option<String>,
    debtor: Party,
    creditor: Party,
    narrative: String,
    info: String,
    details: u64,
    batched: Option<u64>,
}

/// Reads the open `Ntry`. The outer error ends the document, the inner one costs the entry.
pub(super) fn read<R: BufRead>(
    xml: &mut Xml<R>,
    context: Context<'_>,
    marks: &mut Vec<Problem>,
) -> Result<Result<Entry, Problem>, Problem> {
    let place = xml.place();
    let mut draft = Draft::default();
    while xml.open()? {
        match xml.name() {
            "Amt" => draft.money = Some(amount(xml)?),
            "CdtDbtInd" => draft.credit = Some(is_credit(xml)?),
            "RvslInd" => draft.reversal = matches!(xml.text()?, "true" | "1"),
            "Sts" => draft.status = some(xml.text()?),
            "BookgDt" => draft.booked = when(xml, marks)?,
            "ValDt" => draft.value = when(xml, marks)?,
            "AcctSvcrRef" => draft.bank_reference = some(xml.text()?),
            "NtryRef" => draft.own_reference = some(xml.text()?),
            "BkTxCd" => draft.code = code(xml)?,
            "NtryDtls" => details(xml, &mut draft)?,
            "TxDtls" => transaction(xml, &mut draft)?,
            "AddtlNtryInf" => narrate(&mut draft.info, xml.text()?),
            _ => xml.skip()?,
        }
    }
    let missing = |what: &str| Problem::record(place.clone(), Fault::Missing, format!("an entry without {what}"));
    let money = draft.money.unwrap_or_else(|| Err(missing("an amount (Amt)")));
    let credit = draft.credit.unwrap_or_else(|| Err(missing("a sign (CdtDbtInd)")));
    let (mut money, credit) = match (money, credit) {
        (Ok(money), Ok(credit)) => (money, credit),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    if money.currency.is_empty() {
        match &context.account.currency {
            Some(currency) => money.currency.clone_from(currency),
            None => return Ok(Err(missing("a currency (Ccy)"))),
        }
    }
    let narrative = if draft.narrative.is_empty() { draft.info } else { draft.narrative };
    Ok(Ok(Entry {
        account: context.account.id.clone(),
        statement: context.statement.to_owned(),
        number: context.number,
        money: signed(money, credit),
        reversal: draft.reversal,
        status: draft.status,
        booked: draft.booked,
        value: draft.value,
        bank_reference: draft.bank_reference,
        reference: draft.end_to_end.or(draft.own_reference),
        code: draft.code,
        counterparty: if credit { draft.debtor } else { draft.creditor },
        narrative,
        transactions: draft.batched.unwrap_or(draft.details).max(1),
        place,
    }))
}

/// `BkTxCd`: the domain's codes joined by a dash, else the bank's own.
fn code<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<String>, Problem> {
    let (mut domain, mut own) = (String::new(), None);
    while xml.open()? {
        match xml.name() {
            "Domn" => codes(xml, &mut domain)?,
            "Prtry" => {
                while xml.open()? {
                    match xml.name() {
                        "Cd" => fill(&mut own, xml.text()?),
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(some(&domain).or(own))
}

fn codes<R: BufRead>(xml: &mut Xml<R>, joined: &mut String) -> Result<(), Problem> {
    while xml.open()? {
        match xml.name() {
            "Cd" | "SubFmlyCd" => {
                if !joined.is_empty() {
                    joined.push('-');
                }
                joined.push_str(xml.text()?);
            }
            "Fmly" => codes(xml, joined)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn details<R: BufRead>(xml: &mut Xml<R>, draft: &mut Draft) -> Result<(), Problem> {
    while xml.open()? {
        match xml.name() {
            "TxDtls" => transaction(xml, draft)?,
            "Btch" => {
                while xml.open()? {
                    match xml.name() {
                        "NbOfTxs" => draft.batched = xml.text()?.parse().ok(),
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// `TxDtls`: of a batch the first transaction's parties stand for the entry.
fn transaction<R: BufRead>(xml: &mut Xml<R>, draft: &mut Draft) -> Result<(), Problem> {
    draft.details += 1;
    if draft.details > 1 {
        return xml.skip();
    }
    while xml.open()? {
        match xml.name() {
            "Refs" => references(xml, draft)?,
            "RltdPties" => parties(xml, draft)?,
            "RmtInf" => remittance(xml, &mut draft.narrative)?,
            "AddtlTxInf" => narrate(&mut draft.info, xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn references<R: BufRead>(xml: &mut Xml<R>, draft: &mut Draft) -> Result<(), Problem> {
    while xml.open()? {
        match xml.name() {
            "EndToEndId" => {
                let text = xml.text()?;
                if text != "NOTPROVIDED" {
                    fill(&mut draft.end_to_end, text);
                }
            }
            "InstrId" => fill(&mut draft.own_reference, xml.text()?),
            "AcctSvcrRef" => fill(&mut draft.bank_reference, xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn parties<R: BufRead>(xml: &mut Xml<R>, draft: &mut Draft) -> Result<(), Problem> {
    while xml.open()? {
        match xml.name() {
            "Dbtr" => {
                let read = party(xml)?;
                (draft.debtor.name, draft.debtor.id) = (read.name, read.id);
            }
            "Cdtr" => {
                let read = party(xml)?;
                (draft.creditor.name, draft.creditor.id) = (read.name, read.id);
            }
            "DbtrAcct" => draft.debtor.account = account_number(xml)?,
            "CdtrAcct" => draft.creditor.account = account_number(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

pub(super) fn account_number<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<String>, Problem> {
    let mut found = None;
    while xml.open()? {
        match xml.name() {
            "Id" => found = some(&number(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(found)
}

/// `RmtInf`: free lines, and the references of structured ones.
pub(super) fn remittance<R: BufRead>(xml: &mut Xml<R>, narrative: &mut String) -> Result<(), Problem> {
    while xml.open()? {
        match xml.name() {
            "Ustrd" => narrate(narrative, xml.text()?),
            "Strd" => {
                while xml.open()? {
                    match xml.name() {
                        "CdtrRefInf" => {
                            while xml.open()? {
                                match xml.name() {
                                    "Ref" | "CdtrRef" => narrate(narrative, xml.text()?),
                                    _ => xml.skip()?,
                                }
                            }
                        }
                        "AddtlRmtInf" => narrate(narrative, xml.text()?),
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(())
}
