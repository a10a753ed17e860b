//! The operator's side of an alarm as JSON, the same in topics, live events and answers. Pure.

use crate::clock;
use minewatch_alarm::{Alarm, Held, Operator, Process, Settings, Suppression};
use minewatch_domain::At;
use serde::Serialize;
use utoipa::ToSchema;

/// What keeps an alarm back.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct HeldView {
    /// `shelved`, `by_design` or `out_of_service`.
    pub how: String,
    pub by: String,
    /// The second person, where two were needed.
    pub second: Option<String>,
    pub why: String,
    pub since: String,
    pub until: Option<String>,
    /// A worse level is not kept back.
    pub level_max: String,
}

/// The axes of an alarm beside its process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct HandlingView {
    /// NORM, UNACK, ACKED, RTNUN, SHLVD, DSUPR or OOSRV (ISA-18.2, IEC 62682).
    pub isa: String,
    /// `normal`, `active`, `latched` or `returned`.
    pub process: String,
    /// Level shown: of a latched or returned alarm the worst it had.
    pub level: String,
    pub acked: bool,
    pub acked_by: Option<String>,
    pub acked_at: Option<String>,
    /// Sound is off until the next rise.
    pub silenced: bool,
    pub kept_back: Option<HeldView>,
    /// Rises with every change of any axis; to be shown with every order.
    pub version: i64,
    pub inhibited_by: Option<String>,
    #[serde(rename = "case")]
    pub case_id: Option<String>,
}

fn held(how: &str, held: &Held) -> HeldView {
    HeldView {
        how: how.to_owned(),
        by: held.by.clone(),
        second: held.second.clone(),
        why: held.why.clone(),
        since: clock::text(held.since),
        until: held.until.map(clock::text),
        level_max: held.level_max.name().to_owned(),
    }
}

/// What is beside the alarm itself: version, inhibiting alarm, case.
pub type Beside<'a> = (i64, Option<&'a str>, Option<&'a str>);

/// The view at `now`.
pub fn view(alarm: &Alarm, (version, inhibited_by, case_id): Beside<'_>, settings: &Settings, now: At) -> HandlingView {
    let view = alarm.view(settings, now);
    let handling = &alarm.handling;
    let kept_back = match view.suppression {
        Suppression::None => None,
        Suppression::Shelved => handling.shelf.held().map(|h| held("shelved", h)),
        Suppression::ByDesign => handling.design.held().map(|h| held("by_design", h)),
        Suppression::OutOfService => handling.service.held().map(|h| held("out_of_service", h)),
    };
    let process = match view.process {
        Process::Normal => "normal",
        Process::Active(_) => "active",
        Process::Latched(_) => "latched",
        Process::Returned(_) => "returned",
    };
    let acked = handling.acked.as_ref().filter(|acked| acked.revision >= alarm.condition.rise);
    HandlingView {
        isa: view.isa().name().to_owned(),
        process: process.to_owned(),
        level: view.level().name().to_owned(),
        acked: view.operator == Operator::Acked,
        acked_by: acked.map(|acked| acked.by.clone()),
        acked_at: acked.map(|acked| clock::text(acked.at)),
        silenced: alarm.condition.rise > 0 && handling.silenced >= alarm.condition.rise,
        kept_back,
        version,
        inhibited_by: inhibited_by.map(str::to_owned),
        case_id: case_id.map(str::to_owned),
    }
}
