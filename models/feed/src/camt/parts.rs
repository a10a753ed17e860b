//! Parts that several ISO 20022 messages share.

use crate::number::{Style, decimal};
use crate::problem::{Fault, Problem, shown};
use crate::statement::{Account, Balance, BalanceKind, Party};
use crate::when::When;
use crate::xml::Xml;
use minewatch_risk::fact::Money;
use rust_decimal::Decimal;
use std::io::BufRead;

/// Longest narrative kept, bytes: what the dictionary's texts may have.
const NARRATIVE_BYTES_MAX: usize = 4_000;

/// A text that is not empty.
pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Takes a text where none was taken.
pub(super) fn fill(place: &mut Option<String>, text: &str) {
    if place.is_none() && !text.is_empty() {
        *place = Some(text.to_owned());
    }
}

/// Adds a piece to a narrative, up to its limit.
pub(super) fn narrate(narrative: &mut String, piece: &str) {
    if piece.is_empty() {
        return;
    }
    if !narrative.is_empty() {
        narrative.push(' ');
    }
    let room = NARRATIVE_BYTES_MAX.saturating_sub(narrative.len());
    let end = piece.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last().unwrap_or(0);
    narrative.push_str(piece.get(..end).unwrap_or_default());
}

/// Amount and currency of the open element.
pub(super) fn amount<R: BufRead>(xml: &mut Xml<R>) -> Result<Result<Money, Problem>, Problem> {
    let currency = xml.attribute("Ccy").unwrap_or_default().to_owned();
    let place = xml.place();
    let text = xml.text()?;
    let Some(amount) = decimal(text, Style::POINT) else {
        return Ok(Err(Problem::record(place, Fault::Value, format!("{} is not an amount", shown(text)))));
    };
    if amount.is_sign_negative() && !amount.is_zero() {
        let why = format!("{} is negative; the sign of an amount is its CdtDbtInd", shown(text));
        return Ok(Err(Problem::record(place, Fault::Value, why)));
    }
    Ok(Ok(Money { amount, currency }))
}

/// Whether `CRDT`; an error for what is neither.
pub(super) fn is_credit<R: BufRead>(xml: &mut Xml<R>) -> Result<Result<bool, Problem>, Problem> {
    let place = xml.place();
    let text = xml.text()?;
    Ok(match text {
        "CRDT" => Ok(true),
        "DBIT" => Ok(false),
        other => Err(Problem::record(place, Fault::Value, format!("{} is neither CRDT nor DBIT", shown(other)))),
    })
}

/// With its sign.
pub(super) fn signed(money: Money, credit: bool) -> Money {
    let amount: Decimal = if credit { money.amount } else { -money.amount };
    Money { amount, ..money }
}

/// A day or a moment: the text itself, or `Dt` or `DtTm` inside. A text that is no time is a mark.
pub(super) fn when<R: BufRead>(xml: &mut Xml<R>, marks: &mut Vec<Problem>) -> Result<Option<When>, Problem> {
    let line = xml.line();
    let text = xml.text()?;
    let found = When::parse(text);
    if found.is_none() {
        let why = format!("{} is not a day or a moment", shown(text));
        let place = crate::problem::Place { line, path: xml.place().path };
        marks.push(Problem::mark(place, Fault::Value, why));
    }
    Ok(found)
}

/// `Acct`.
pub(super) fn account<R: BufRead>(xml: &mut Xml<R>) -> Result<Account, Problem> {
    let mut account = Account::default();
    while xml.open()? {
        match xml.name() {
            "Id" => account.id = number(xml)?,
            "Ccy" => account.currency = some(xml.text()?),
            "Ownr" => account.owner = party(xml)?.name,
            "Svcr" => account.servicer = servicer(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(account)
}

/// `Id` of an account: IBAN, `Othr/Id`, or the older forms; the first that is there.
pub(super) fn number<R: BufRead>(xml: &mut Xml<R>) -> Result<String, Problem> {
    let mut found = String::new();
    while xml.open()? {
        let wanted = match xml.name() {
            "IBAN" | "BBAN" | "UPIC" => true,
            "Othr" | "PrtryAcct" => {
                let inner = first_named(xml, "Id")?;
                if found.is_empty() {
                    found = inner;
                }
                continue;
            }
            _ => false,
        };
        match wanted {
            true => found = xml.text()?.to_owned(),
            false => xml.skip()?,
        }
    }
    Ok(found)
}

/// Text of the first child of a name; closes the open element.
fn first_named<R: BufRead>(xml: &mut Xml<R>, name: &str) -> Result<String, Problem> {
    let mut found = String::new();
    while xml.open()? {
        match xml.name() == name && found.is_empty() {
            true => found = xml.text()?.to_owned(),
            false => xml.skip()?,
        }
    }
    Ok(found)
}

/// BIC, else name, of `FinInstnId`.
pub(super) fn servicer<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<String>, Problem> {
    let (mut bic, mut name) = (None, None);
    while xml.open()? {
        if xml.name() != "FinInstnId" {
            xml.skip()?;
            continue;
        }
        while xml.open()? {
            match xml.name() {
                "BIC" | "BICFI" => fill(&mut bic, xml.text()?),
                "Nm" => fill(&mut name, xml.text()?),
                "NmAndAdr" => name = name.or(some(&first_named(xml, "Nm")?)),
                _ => xml.skip()?,
            }
        }
    }
    Ok(bic.or(name))
}

/// A party: `Nm` and an identifier, in `Pty` from version 8 on.
pub(super) fn party<R: BufRead>(xml: &mut Xml<R>) -> Result<Party, Problem> {
    let mut party = Party::default();
    while xml.open()? {
        match xml.name() {
            "Pty" => {
                let inner = self::party(xml)?;
                party.name = party.name.or(inner.name);
                party.id = party.id.or(inner.id);
            }
            "Nm" => fill(&mut party.name, xml.text()?),
            "Id" => party.id = identifier(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(party)
}

/// Identifier of an organisation; a private person's is left out: it is no business of a risk model.
fn identifier<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<String>, Problem> {
    let mut found = None;
    while xml.open()? {
        if xml.name() != "OrgId" {
            xml.skip()?;
            continue;
        }
        while xml.open()? {
            match xml.name() {
                "Othr" | "PrtryId" => fill(&mut found, &first_named(xml, "Id")?),
                "AnyBIC" | "BICOrBEI" | "LEI" | "BIC" => fill(&mut found, xml.text()?),
                _ => xml.skip()?,
            }
        }
    }
    Ok(found)
}

/// `Bal`; `None`, with a problem, when it cannot be read.
pub(super) fn balance<R: BufRead>(xml: &mut Xml<R>, problems: &mut Vec<Problem>) -> Result<Option<Balance>, Problem> {
    let place = xml.place();
    let (mut code, mut page, mut money, mut credit, mut as_of) = (String::new(), false, None, None, None);
    while xml.open()? {
        match xml.name() {
            "Tp" => (code, page) = balance_type(xml)?,
            "Amt" => money = Some(amount(xml)?),
            "CdtDbtInd" => credit = Some(is_credit(xml)?),
            "Dt" => as_of = when(xml, problems)?,
            _ => xml.skip()?,
        }
    }
    let missing = |what| Problem::record(place.clone(), Fault::Missing, format!("a balance without {what}"));
    let money = money.unwrap_or_else(|| Err(missing("an amount")));
    let credit = credit.unwrap_or_else(|| Err(missing("CdtDbtInd")));
    match (money, credit) {
        (Ok(money), Ok(credit)) => {
            Ok(Some(Balance { kind: kind(&code, page), money: signed(money, credit), when: as_of }))
        }
        (Err(problem), _) | (_, Err(problem)) => {
            problems.push(problem);
            Ok(None)
        }
    }
}

fn balance_type<R: BufRead>(xml: &mut Xml<R>) -> Result<(String, bool), Problem> {
    let (mut code, mut page) = (String::new(), false);
    while xml.open()? {
        match xml.name() {
            "SubTp" => page = xml.text()? == "INTM",
            _ => code = xml.text()?.to_owned(),
        }
    }
    Ok((code, page))
}

fn kind(code: &str, page: bool) -> BalanceKind {
    match code {
        "OPBD" if page => BalanceKind::OpeningPage,
        "CLBD" if page => BalanceKind::ClosingPage,
        "OPBD" => BalanceKind::OpeningBooked,
        "CLBD" => BalanceKind::ClosingBooked,
        "PRCD" => BalanceKind::PreviousClosing,
        "OPAV" => BalanceKind::OpeningAvailable,
        "CLAV" => BalanceKind::ClosingAvailable,
        "FWAV" => BalanceKind::ForwardAvailable,
        "ITBD" => BalanceKind::InterimBooked,
        "ITAV" => BalanceKind::InterimAvailable,
        "XPCD" => BalanceKind::Expected,
        "INFO" => BalanceKind::Information,
        other => BalanceKind::Other(other.to_owned()),
    }
}
