//! The organisation's data: units, responsible parties, rosters with shifts, escalation ladders.

use super::acts::ActAnswer;
use super::cases::named_line;
use super::{Api, Problem};
use crate::clock;
use crate::operator::{Order, OrgChange, Rung, Shift};
use crate::people::{Action, Actor};
use crate::store::{Line, RUNGS_MAX, SHIFTS_MAX};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use minewatch_alarm::Field;
use minewatch_domain::{Level, OrgPath, PersonId, PointId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Everything the reader may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganisationView {
    units: Vec<Value>,
    parties: Vec<Value>,
    rosters: Vec<Value>,
    shifts: Vec<Value>,
    ladders: Vec<Value>,
}

/// One shift.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShiftBody {
    from: String,
    to: String,
    person: String,
    channel: Option<String>,
}

/// One rung.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RungBody {
    step: i64,
    after_minutes: f64,
    /// `person:ID`, `roster:NAME`, `role:NAME` or `robot:NAME`.
    target: String,
    channel: Option<String>,
}

/// A change. `revision` is what its author saw, 0 for what is new; `domain` absent: every domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ChangeBody {
    Unit { org: String, zh: String, en: String, revision: i64 },
    DropUnit { org: String },
    Party { org: String, domain: Option<String>, role: String, person: String, channel: Option<String> },
    DropParty { org: String, domain: Option<String>, role: String, person: String },
    Roster { roster: String, org: String, zh: String, en: String, shifts: Vec<ShiftBody>, revision: i64 },
    DropRoster { roster: String },
    Ladder { org: String, domain: Option<String>, level: String, rungs: Vec<RungBody>, revision: i64 },
}

fn org(text: &str) -> Result<OrgPath, Problem> {
    OrgPath::parse(text).map_err(|e| Problem::bad(e.to_string()))
}

fn field(name: Option<&str>) -> Result<Option<Field>, Problem> {
    match name {
        None | Some("*") => Ok(None),
        Some(name) => Field::from_name(name).map(Some).ok_or_else(|| Problem::bad(format!("no domain {name:?}"))),
    }
}

fn slug(text: &str) -> Result<String, Problem> {
    PointId::parse(text).map(|slug| slug.to_string()).map_err(|e| Problem::bad(e.to_string()))
}

fn person(text: &str) -> Result<String, Problem> {
    PersonId::parse(text).map(|person| person.to_string()).map_err(|e| Problem::bad(e.to_string()))
}

fn channel(text: &Option<String>) -> Result<String, Problem> {
    text.as_deref().filter(|text| !text.is_empty()).map_or(Ok(String::new()), slug)
}

fn name(text: &str) -> Result<String, Problem> {
    let length = text.chars().count();
    match (1..=200).contains(&length) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(Problem::bad("a name has 1 to 200 characters and no control characters")),
    }
}

fn shift(body: &ShiftBody) -> Result<Shift, Problem> {
    let time = |text: &str| clock::parse(text).ok_or_else(|| Problem::bad("from and to must be RFC 3339"));
    let (from, to) = (time(&body.from)?, time(&body.to)?);
    if to <= from {
        return Err(Problem::bad("a shift must end after it begins"));
    }
    Ok(Shift { from, to, person: person(&body.person)?, channel: channel(&body.channel)? })
}

fn rung(body: &RungBody) -> Result<Rung, Problem> {
    if !(0..100).contains(&body.step)
        || !body.after_minutes.is_finite()
        || !(0.0..=525_600.0).contains(&body.after_minutes)
    {
        return Err(Problem::bad("step must be 0 to 99 and after_minutes 0 to 525600"));
    }
    let (kind, target) = body.target.split_once(':').unwrap_or(("", ""));
    if !["person", "roster", "role", "robot"].contains(&kind) {
        return Err(Problem::bad("target must be person:ID, roster:NAME, role:NAME or robot:NAME"));
    }
    Ok(Rung {
        step: body.step,
        after_ms: (body.after_minutes * 60_000.0) as i64,
        target: format!("{kind}:{}", slug(target)?),
        channel: channel(&body.channel)?,
    })
}

impl ChangeBody {
    fn parse(&self) -> Result<OrgChange, Problem> {
        Ok(match self {
            ChangeBody::Unit { org: at, zh, en, revision } => {
                OrgChange::Unit { org: org(at)?, zh: name(zh)?, en: name(en)?, seen: *revision }
            }
            ChangeBody::DropUnit { org: at } => OrgChange::DropUnit { org: org(at)? },
            ChangeBody::Party { org: at, domain, role, person: who, channel: by } => OrgChange::Party {
                org: org(at)?,
                field: field(domain.as_deref())?,
                role: slug(role)?,
                person: person(who)?,
                channel: channel(by)?,
            },
            ChangeBody::DropParty { org: at, domain, role, person: who } => OrgChange::DropParty {
                org: org(at)?,
                field: field(domain.as_deref())?,
                role: slug(role)?,
                person: person(who)?,
            },
            ChangeBody::Roster { roster, org: at, zh, en, shifts, revision } => {
                if shifts.len() > SHIFTS_MAX {
                    return Err(Problem::bad(format!("a roster has at most {SHIFTS_MAX} shifts")));
                }
                let shifts = shifts.iter().map(shift).collect::<Result<_, _>>()?;
                let (zh, en) = (name(zh)?, name(en)?);
                OrgChange::Roster { roster: slug(roster)?, org: org(at)?, zh, en, shifts, seen: *revision }
            }
            ChangeBody::DropRoster { roster } => OrgChange::DropRoster { roster: slug(roster)? },
            ChangeBody::Ladder { org: at, domain, level, rungs, revision } => {
                if rungs.len() > RUNGS_MAX {
                    return Err(Problem::bad(format!("a ladder has at most {RUNGS_MAX} rungs")));
                }
                let level = Level::WARNINGS.into_iter().find(|known| known.name() == level);
                OrgChange::Ladder {
                    org: org(at)?,
                    field: field(domain.as_deref())?,
                    level: level.ok_or_else(|| Problem::bad("level must be blue, yellow, orange or red"))?,
                    rungs: rungs.iter().map(rung).collect::<Result<_, _>>()?,
                    seen: *revision,
                }
            }
        })
    }
}

/// Units, responsible parties, rosters, shifts and ladders the reader may see.
#[utoipa::path(get, path = "/api/v1/organisation", responses((status = 200, body = OrganisationView)))]
pub(super) async fn get_all(State(api): State<Api>, actor: Actor) -> Result<Json<OrganisationView>, Problem> {
    let [units, parties, rosters, shifts, ladders] = api.store.organisation().await?;
    let seen = |line: &Line, column: usize| {
        let place = line.get(column).cloned().flatten().and_then(|text| OrgPath::parse(&text).ok());
        place.is_some_and(|place| actor.may_any(Action::View, &place))
    };
    let pick = |lines: Vec<Line>, column: usize, names: &[&str]| -> Vec<Value> {
        lines.iter().filter(|line| seen(line, column)).map(|line| named_line(line, names)).collect()
    };
    let visible: Vec<Option<String>> =
        rosters.iter().filter(|line| seen(line, 1)).filter_map(|line| line.first().cloned()).collect();
    let shifts = shifts.iter().filter(|line| line.first().is_some_and(|roster| visible.contains(roster)));
    Ok(Json(OrganisationView {
        units: pick(units, 0, &["org", "zh", "en", "#revision"]),
        parties: pick(parties, 0, &["org", "domain", "role", "person", "channel"]),
        rosters: pick(rosters, 1, &["roster", "org", "zh", "en", "#revision"]),
        shifts: shifts.map(|line| named_line(line, &["roster", "@from", "@to", "person", "channel"])).collect(),
        ladders: pick(ladders, 0, &["org", "domain", "^level", "#step", "#after_ms", "target", "channel", "#revision"]),
    }))
}

/// Changes the organisation's data; a stale revision is 409.
#[utoipa::path(post, path = "/api/v1/organisation", request_body = ChangeBody,
    responses((status = 200, body = ActAnswer), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub(super) async fn change(
    State(api): State<Api>,
    actor: Actor,
    Json(body): Json<ChangeBody>,
) -> Result<Response, Problem> {
    let change = body.parse()?;
    api.order(actor, Order::Organisation(change)).await
}
