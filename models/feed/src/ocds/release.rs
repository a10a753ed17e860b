//! One release.

use crate::facts::{Context, Out, bounded};
use crate::number::{Style, decimal};
use crate::problem::{Fault, Place, Problem, shown};
use crate::when::When;
use minewatch_risk::fact::{ElementId, Fact, FactKind, Money, Value as Said};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Facts of one release; a process has some hundred bids at most.
const FACTS_MAX: usize = 20_000;

struct Release<'a> {
    release: &'a Value,
    ocid: &'a str,
    place: &'a Place,
    context: &'a Context,
    out: &'a mut VecDeque<Out>,
}

/// Adds the facts of a release.
pub(super) fn facts(release: &Value, ocid: &str, place: &Place, context: &Context, out: &mut VecDeque<Out>) {
    let mut reader = Release { release, ocid, place, context, out };
    reader.tender();
    reader.bids();
    reader.awards();
    reader.contracts();
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Id, else name, of an organisation.
fn party(value: &Value, pointer: &str) -> Option<String> {
    let organisation = value.pointer(pointer)?;
    let id = organisation.get("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    id.filter(|id| !id.is_empty() && id != "null").or_else(|| text(organisation, "/name").map(str::to_owned))
}

fn money(value: &Value, pointer: &str) -> Option<Money> {
    let said = value.pointer(pointer)?;
    let amount = said.get("amount")?;
    let written = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    let amount = decimal(&written, Style::POINT)?;
    let currency = text(said, "/currency").unwrap_or("CNY").to_owned();
    Some(Money { amount, currency })
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl Release<'_> {
    fn when(&self, value: &Value, pointer: &str) -> Option<When> {
        When::parse(text(value, pointer)?)
    }

    fn buyer(&self) -> Option<String> {
        party(self.release, "/buyer").or_else(|| party(self.release, "/tender/procuringEntity"))
    }

    fn day(&self, when: Option<When>) -> Option<Said> {
        when.map(|when| Said::Date(when.day(&self.context.zone)))
    }

    fn instant(&self, when: Option<When>) -> Option<Said> {
        when.map(|when| Said::Instant(when.instant(&self.context.zone)))
    }

    fn push(&mut self, kind: &str, id: &str, path: &str, event: Option<When>, fields: Vec<(&str, Option<Said>)>) {
        if self.out.len() >= FACTS_MAX {
            return;
        }
        let place = Place::at(self.place.line, format!("{}{path}", self.place.path));
        let named = fields.into_iter().filter_map(|(name, value)| Some((ElementId::parse(name).ok()?, value?)));
        let fields: BTreeMap<ElementId, Said> = named.collect();
        let Ok(kind) = FactKind::parse(kind) else { return };
        let key = if id.is_empty() { self.ocid.to_owned() } else { [self.ocid, id].join("/") };
        let event = event.or_else(|| self.when(self.release, "/date"));
        let context = self.context;
        let fact = Fact {
            kind,
            key: bounded(key),
            org: context.org.clone(),
            event_at_us: event.map_or(context.known_at_us, |w| w.instant(&context.zone).as_microsecond()),
            known_at_us: context.known_at_us,
            fields,
            lineage: context.lineage(place.to_string()),
        };
        let out = context.checked(fact, &place);
        self.out.push_back(out);
    }

    fn said(text: Option<&str>) -> Option<Said> {
        text.map(|text| Said::Text(text.to_owned()))
    }

    fn tender(&mut self) {
        let Some(tender) = self.release.get("tender").filter(|tender| tender.is_object()) else { return };
        let budget = money(self.release, "/planning/budget").or_else(|| money(tender, "/value"));
        let tenderers = tender.get("numberOfTenderers").and_then(Value::as_u64).map(Into::into);
        let fields = vec![
            ("buyer", self.buyer().map(Said::Text)),
            ("category", Release::said(text(tender, "/mainProcurementCategory"))),
            ("class", Release::said(text(tender, "/items/0/classification/id"))),
            ("method", Release::said(text(tender, "/procurementMethod"))),
            ("method_details", Release::said(text(tender, "/procurementMethodDetails"))),
            ("budget", budget.map(Said::Money)),
            ("starts_on", self.day(self.when(tender, "/tenderPeriod/startDate"))),
            ("ends_at", self.instant(self.when(tender, "/tenderPeriod/endDate"))),
            ("tenderers", tenderers.map(Said::Decimal)),
            ("status", Release::said(text(tender, "/status"))),
        ];
        let event = self.when(tender, "/tenderPeriod/startDate");
        self.push("tender", "", "/tender", event, fields);
    }

    fn bids(&mut self) {
        for (at, bid) in list(self.release, "/bids/details").iter().enumerate() {
            let path = format!("/bids/details/{at}");
            let tenderers = list(bid, "/tenderers");
            if tenderers.is_empty() {
                let place = Place::at(self.place.line, format!("{}{path}", self.place.path));
                self.out.push_back(Out::Problem(Problem::record(place, Fault::Missing, "a bid without a tenderer")));
            }
            for (member, tenderer) in tenderers.iter().enumerate() {
                let id = text(bid, "/id").map_or_else(|| at.to_string(), str::to_owned);
                let id = if tenderers.len() > 1 { format!("{id}/{member}") } else { id };
                let fields = vec![
                    ("tender", Some(Said::Text(self.ocid.to_owned()))),
                    ("bidder", party(tenderer, "").map(Said::Text)),
                    ("amount", money(bid, "/value").map(Said::Money)),
                    ("status", Release::said(text(bid, "/status"))),
                    ("submitted_at", self.instant(self.when(bid, "/date"))),
                ];
                let event = self.when(bid, "/date");
                self.push("bid", &format!("bid/{id}"), &path, event, fields);
            }
        }
    }

    fn awards(&mut self) {
        for (at, award) in list(self.release, "/awards").iter().enumerate() {
            let path = format!("/awards/{at}");
            let id = text(award, "/id").map_or_else(|| at.to_string(), str::to_owned);
            let decided = self.when(award, "/date").or_else(|| self.when(self.release, "/date"));
            let suppliers = list(award, "/suppliers");
            if suppliers.is_empty() {
                let place = Place::at(self.place.line, format!("{}{path}", self.place.path));
                let why = format!("the award {} names no supplier", shown(&id));
                self.out.push_back(Out::Problem(Problem::record(place, Fault::Missing, why)));
            }
            for (member, supplier) in suppliers.iter().enumerate() {
                let id = if suppliers.len() > 1 { format!("{id}/{member}") } else { id.clone() };
                let fields = vec![
                    ("tender", Some(Said::Text(self.ocid.to_owned()))),
                    ("buyer", self.buyer().map(Said::Text)),
                    ("supplier", party(supplier, "").map(Said::Text)),
                    ("amount", money(award, "/value").map(Said::Money)),
                    ("status", Release::said(text(award, "/status"))),
                    ("class", Release::said(text(award, "/items/0/classification/id"))),
                    ("decided_on", self.day(decided)),
                ];
                self.push("award", &format!("award/{id}"), &path, decided, fields);
            }
        }
    }

    fn contracts(&mut self) {
        for (at, contract) in list(self.release, "/contracts").iter().enumerate() {
            let id = text(contract, "/id").map_or_else(|| at.to_string(), str::to_owned);
            let award_id = contract.get("awardID").cloned().unwrap_or_default();
            let award = list(self.release, "/awards").iter().find(|award| award.get("id") == Some(&award_id));
            let supplier = award.and_then(|award| party(award, "/suppliers/0"));
            let name = award.and_then(|award| text(award, "/suppliers/0/name"));
            let amount = money(contract, "/value").or_else(|| award.and_then(|award| money(award, "/value")));
            let signed = self.when(contract, "/dateSigned");
            let fields = vec![
                ("tender", Some(Said::Text(self.ocid.to_owned()))),
                ("buyer", self.buyer().map(Said::Text)),
                ("supplier", supplier.map(Said::Text)),
                ("supplier_name", Release::said(name)),
                ("amount", amount.map(Said::Money)),
                ("method", Release::said(text(self.release, "/tender/procurementMethod"))),
                ("category", Release::said(text(self.release, "/tender/mainProcurementCategory"))),
                ("signed_on", self.day(signed)),
            ];
            self.push("contract", &format!("contract/{id}"), &format!("/contracts/{at}"), signed, fields);
        }
    }
}
