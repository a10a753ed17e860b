//! What the routes of the business side share: who sees what, parameters, names.

use super::super::acts::sight;
use super::super::types::Name;
use super::super::{Api, Problem};
use crate::clock;
use crate::people::{Action, Actor, Domain};
use crate::store::Sight;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use minewatch_domain::{At, OrgPath};
use minewatch_risk::dictionary::kind_about;
use minewatch_risk::fact::Fact;
use serde::Serialize;
use utoipa::ToSchema;

/// Rows of one page.
pub(super) const PAGE_MAX: i64 = 1_000;
/// Longest text of a person: reasons, names, search words.
pub(super) const TEXT_MAX: usize = 500;

/// The domains of business.
pub(super) const BUSINESS: [Domain; 4] = [Domain::Procurement, Domain::Credit, Domain::Treasury, Domain::Legal];

/// Parameters of a query, or why they are none.
pub(super) type Params<T> = Result<Query<T>, QueryRejection>;

/// The parameters.
pub(super) fn params<T>(given: Params<T>) -> Result<T, Problem> {
    given.map(|Query(given)| given).map_err(|error| Problem::bad(error.body_text()))
}

/// How many warnings of each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[allow(missing_docs)]
pub(super) struct Counts {
    pub(super) red: i64,
    pub(super) orange: i64,
    pub(super) yellow: i64,
    pub(super) blue: i64,
}

impl Counts {
    /// Counts `n` more of a level, by its code.
    pub(super) fn add(&mut self, level: i64, n: i64) {
        match level {
            4 => self.red += n,
            3 => self.orange += n,
            2 => self.yellow += n,
            1 => self.blue += n,
            _ => {}
        }
    }

    /// For sorting: worst first.
    pub(super) fn weight(&self) -> (i64, i64, i64, i64) {
        (self.red, self.orange, self.yellow, self.blue)
    }
}

/// Whether somebody may do something on a domain at some unit.
pub(super) fn may_somewhere(actor: &Actor, action: Action, domain: Domain) -> bool {
    actor.grants.iter().any(|grant| grant.role.actions().contains(&action) && grant.domains.contain(domain))
}

/// Whether somebody may do something with what belongs to the group.
pub(super) fn at_top(actor: &Actor, action: Action, domain: Domain) -> Result<(), Problem> {
    if actor.may(action, domain, &OrgPath::root()) { Ok(()) } else { Err(Problem::forbidden(action)) }
}

/// Where a reader sees business, for filters of the store; `None`: nowhere.
pub(super) fn business_sight(actor: &Actor) -> Option<Sight> {
    let all = sight(actor, Action::View)?;
    if all.is_empty() {
        return Some(vec![(OrgPath::root(), BUSINESS.to_vec())]);
    }
    let business = |(org, domains): (OrgPath, Vec<Domain>)| {
        let some: Vec<Domain> = BUSINESS.into_iter().filter(|domain| domains.contains(domain)).collect();
        (!some.is_empty()).then_some((org, some))
    };
    let some: Sight = all.into_iter().filter_map(business).collect();
    if some.is_empty() { None } else { Some(some) }
}

/// Whether a reader sees a fact: its domain at its unit; what every domain needs, with any of them.
pub(super) fn sees_fact(actor: &Actor, fact: &Fact) -> bool {
    match kind_about(fact.kind.as_str()).and_then(|about| Domain::from_name(&about.domain)) {
        Some(domain) => actor.may(Action::View, domain, &fact.org),
        None if REGISTER.contains(&fact.kind.as_str()) => {
            BUSINESS.into_iter().any(|domain| may_somewhere(actor, Action::View, domain))
        }
        None => BUSINESS.into_iter().any(|domain| actor.may(Action::View, domain, &fact.org)),
    }
}

/// Kinds that say what public registers say of others: no unit's own business.
const REGISTER: [&str; 5] = ["party", "ownership", "list_entry", "holiday", "registration_change"];

/// A node of the organisation; absent: everything.
pub(super) fn org(text: Option<&str>) -> Result<OrgPath, Problem> {
    match text {
        None | Some("") => Ok(OrgPath::root()),
        Some(text) => OrgPath::parse(text).map_err(|error| Problem::bad(error.to_string())),
    }
}

/// A domain of business.
pub(super) fn domain(text: Option<&str>) -> Result<Option<Domain>, Problem> {
    let known = |text| Domain::from_name(text).filter(|domain| BUSINESS.contains(domain));
    let bad = || Problem::bad("domain must be procurement, credit, treasury or legal");
    text.map(|text| known(text).ok_or_else(bad)).transpose()
}

/// Rows of a page.
pub(super) fn limit(text: Option<&str>, default: i64) -> Result<i64, Problem> {
    match text.map(str::parse::<i64>) {
        None => Ok(default),
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::bad(format!("limit must be 1 to {PAGE_MAX}"))),
    }
}

/// A text of a person, bounded; PostgreSQL text takes no NUL.
pub(super) fn words(name: &str, text: &str, least: usize) -> Result<String, Problem> {
    let text = text.trim();
    let length = text.chars().count();
    match (least..=TEXT_MAX).contains(&length) && !text.contains('\0') {
        true => Ok(text.to_owned()),
        false => Err(Problem::bad(format!("{name} needs {least} to {TEXT_MAX} characters"))),
    }
}

/// A moment, or the end of a day (`2026-03-31`, as it ends in China).
pub(super) fn moment(name: &str, text: &str) -> Result<At, Problem> {
    let end_of_day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
        let next = day.tomorrow().ok()?.at(0, 0, 0, 0).to_zoned(zone).ok()?;
        Some(At(next.timestamp().as_microsecond() - 1))
    };
    let day = text.len() == 10 && text.contains('-');
    let at = if day { end_of_day() } else { clock::parse(text) };
    at.ok_or_else(|| Problem::bad(format!("{name} must be a day (YYYY-MM-DD), RFC 3339 or milliseconds since 1970")))
}

/// A time for people.
pub(super) fn at(us: i64) -> String {
    clock::text(At(us))
}

/// A name in both languages.
pub(super) fn name(zh: &str, en: &str) -> Name {
    Name { zh: zh.to_owned(), en: en.to_owned() }
}

/// A sentence of a rule: Chinese and English, parted by a bar.
pub(super) fn sentence(why: &str) -> Name {
    let (zh, en) = why.split_once(" | ").unwrap_or((why, why));
    name(zh, en)
}

/// What a kind of fact is called.
pub(super) fn kind_name(kind: &str) -> Name {
    kind_about(kind).map_or_else(|| name(kind, kind), |about| name(&about.name_zh, &about.name_en))
}

/// Names of units, where they have some.
pub(super) async fn unit_names(api: &Api) -> Result<impl Fn(&str) -> Option<Name> + use<>, Problem> {
    let names = api.store.unit_names().await?;
    Ok(move |org: &str| names.get(org).map(|(zh, en)| name(zh, en)))
}
