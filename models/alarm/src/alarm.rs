//! One alarm: what the process says, what people did, and what follows for those who watch.
//!
//! ```text
//!            rise                  condition gone
//!   Normal ───────▶ Active(level) ────────────────▶ acked? ─ yes ─▶ Normal  (latching: Latched, until Reset)
//!      ▲               │  ▲ rise                       │ no
//!      └── Acknowledge ┴──┴──────────── Returned ◀─────┘
//! ```
//!
//! Invariants: the state is a function of the set of transitions and the set of actions, so order and
//! repetition do not matter and nothing is lost when a cut-off site and headquarters act at once; a
//! suppression never outlives its time and never holds for a level worse than the one it was made for;
//! red is kept back only by two people. Deliberately absent: delays and hysteresis (`models/dam`).

use crate::action::{Action, Held, Intent, Register, TEXT_MAX};
use crate::axes::{Isa, Operator, Process, Suppression, isa};
use minewatch_domain::{AlarmTransition, At, Level};
use serde::{Deserialize, Serialize};

/// How alarms behave; from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Red (and what was red) stays until it is reset after an inspection.
    pub latch_red: bool,
    /// An acknowledged alarm that still stands asks again after so long; `None`: never.
    pub rearm_ms: Option<i64>,
    /// Longest shelf, milliseconds.
    pub shelve_ms_max: i64,
    /// Longest time out of service, milliseconds.
    pub service_ms_max: i64,
}

impl Default for Settings {
    /// Eight hours on the shelf (one shift), 30 days out of service, asked again after 24 hours.
    fn default() -> Settings {
        Settings {
            latch_red: true,
            rearm_ms: Some(24 * 3_600_000),
            shelve_ms_max: 8 * 3_600_000,
            service_ms_max: 30 * 86_400_000,
        }
    }
}

/// The process side: a fold over the transitions by revision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Condition {
    /// Highest revision; its level is the state.
    pub revision: u64,
    /// Level in force.
    pub level: Level,
    /// When it was entered.
    pub at: At,
    /// Last revision that entered a worse level: what has to be acknowledged.
    pub rise: u64,
    /// First revision of the running (or last) occurrence.
    pub occurrence: u64,
    /// Worst level of that occurrence.
    pub peak: Level,
    /// When the occurrence began.
    pub since: At,
}

impl Condition {
    /// Takes a transition; false when it is older than the state, which is then to be folded anew
    /// from the journal.
    #[must_use]
    pub fn take(&mut self, next: &AlarmTransition) -> bool {
        if next.revision <= self.revision {
            return next.revision == self.revision;
        }
        if next.from == Level::Normal || self.occurrence == 0 {
            self.occurrence = next.revision;
            self.peak = next.from;
            self.since = next.at;
        }
        if next.to > next.from {
            self.rise = next.revision;
        }
        self.peak = self.peak.max(next.to);
        self.revision = next.revision;
        self.level = next.to;
        self.at = next.at;
        true
    }

    /// Folds transitions, whatever their order; repeats change nothing.
    pub fn fold<'a>(transitions: impl IntoIterator<Item = &'a AlarmTransition>) -> Condition {
        let mut sorted: Vec<&AlarmTransition> = transitions.into_iter().collect();
        sorted.sort_by_key(|transition| transition.revision);
        let mut condition = Condition::default();
        for transition in sorted {
            let _newest = condition.take(transition);
        }
        condition
    }
}

/// Who acknowledged, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// Up to this revision.
    pub revision: u64,
    /// Who.
    pub by: String,
    /// When.
    pub at: At,
    /// By which action.
    pub id: String,
}

/// The operator's side: a join over the actions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handling {
    /// Highest counter of any action.
    pub counter: u64,
    /// The acknowledgement that reaches furthest; of equals the first.
    pub acked: Option<Acked>,
    /// Silenced up to this revision.
    pub silenced: u64,
    /// Reset up to this revision.
    pub reset: u64,
    /// Shelf.
    pub shelf: Register,
    /// Kept back by a rule.
    pub design: Register,
    /// Out of service.
    pub service: Register,
}

impl Handling {
    /// Takes an action. Order-free and idempotent; never refuses: what was done was done.
    pub fn join(&mut self, action: &Action) {
        self.counter = self.counter.max(action.counter);
        match &action.what {
            Intent::Acknowledge => self.join_ack(action),
            Intent::Silence => self.silenced = self.silenced.max(action.revision),
            Intent::Reset => self.reset = self.reset.max(action.revision),
            Intent::Shelve { until, one_shot, reason } => {
                let occurrence = one_shot.then_some(action.occurrence);
                let held = held(action, reason, Some(*until), action.level, occurrence);
                self.shelf.join(Register::write(action, Some(held)));
            }
            Intent::Unshelve => self.shelf.join(Register::write(action, None)),
            Intent::OutOfService { until, work_order, reason } => {
                let why = format!("{work_order}: {reason}");
                let held = held(action, &why, Some(*until), Level::Red, None);
                self.service.join(Register::write(action, Some(held)));
            }
            Intent::ReturnToService => self.service.join(Register::write(action, None)),
            Intent::SuppressByDesign { rule } => {
                let held = held(action, rule, None, Level::Orange, None);
                self.design.join(Register::write(action, Some(held)));
            }
            Intent::EndDesign => self.design.join(Register::write(action, None)),
        }
    }

    fn join_ack(&mut self, action: &Action) {
        let rank = |acked: &Acked| (acked.revision, std::cmp::Reverse((acked.at, acked.id.clone())));
        let new = Acked { revision: action.revision, by: action.by.clone(), at: action.at, id: action.id.clone() };
        if self.acked.as_ref().is_none_or(|old| rank(&new) > rank(old)) {
            self.acked = Some(new);
        }
    }
}

/// One person keeps back what they saw, never red; two people keep back red.
fn held(action: &Action, why: &str, until: Option<At>, seen: Level, occurrence: Option<u64>) -> Held {
    let level_max = match &action.second {
        Some(second) if *second != action.by => seen.max(Level::Blue),
        Some(_) | None => seen.clamp(Level::Blue, Level::Orange),
    };
    Held {
        by: action.by.clone(),
        second: action.second.clone(),
        why: why.to_owned(),
        since: action.at,
        until,
        level_max,
        occurrence,
    }
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alarm {
    /// What the process says.
    pub condition: Condition,
    /// What people did.
    pub handling: Handling,
}

/// The axes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Process.
    pub process: Process,
    /// Operator.
    pub operator: Operator,
    /// Suppression.
    pub suppression: Suppression,
}

impl View {
    /// The flat state.
    pub fn isa(self) -> Isa {
        isa(self.process, self.operator, self.suppression)
    }

    /// The level people see: of a latched or returned alarm the worst it had.
    pub fn level(self) -> Level {
        match self.process {
            Process::Normal => Level::Normal,
            Process::Active(level) | Process::Latched(level) | Process::Returned(level) => level,
        }
    }
}

/// What happens to an alarm.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The process changed.
    Transition(AlarmTransition),
    /// Somebody asks for something here and now: may be refused.
    Ask(Action),
    /// Something was done elsewhere: is taken.
    Merge(Action),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The alarm asks for attention: a new rise, or the end of a suppression.
    Annunciate(Level),
    /// The flat state is another one.
    Shown(Isa),
    /// An older transition came late: fold the condition anew from the journal.
    Refold,
}

/// Why an action is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to do it to.
    #[error("the alarm is in no state for that")]
    NothingToDo,
    /// The condition still holds.
    #[error("the condition still holds; a latched alarm is reset after it has gone")]
    StillActive,
    /// A reason is needed.
    #[error("a reason is needed (1 to 500 characters)")]
    NoReason,
    /// A work order is needed.
    #[error("a work order is needed (1 to 500 characters)")]
    NoWorkOrder,
    /// Ends in the past or beyond the longest time allowed.
    #[error("the end must lie in the future and within the longest time allowed")]
    Until,
    /// Red is kept back by two people only.
    #[error("red is kept back by two different people only")]
    SecondPerson,
    /// The author did not see the last rise.
    #[error("the alarm has changed since it was seen")]
    Stale,
}

impl Alarm {
    /// The state of a whole journal, in whatever order it is given.
    pub fn replay<'a>(
        transitions: impl IntoIterator<Item = &'a AlarmTransition>,
        actions: impl IntoIterator<Item = &'a Action>,
    ) -> Alarm {
        let mut handling = Handling::default();
        for action in actions {
            handling.join(action);
        }
        Alarm { condition: Condition::fold(transitions), handling }
    }

    /// The axes at `now`.
    pub fn view(&self, settings: &Settings, now: At) -> View {
        let acked = self.acked(settings, now);
        View {
            process: self.process(settings, acked),
            operator: if acked { Operator::Acked } else { Operator::Unacked },
            suppression: self.suppression(now),
        }
    }

    fn acked(&self, settings: &Settings, now: At) -> bool {
        let Some(acked) = &self.handling.acked else { return self.condition.rise == 0 };
        let again = settings.rearm_ms.is_some_and(|ms| now.millis_since(acked.at) >= ms);
        acked.revision >= self.condition.rise && !(again && self.condition.level != Level::Normal)
    }

    fn process(&self, settings: &Settings, acked: bool) -> Process {
        let Condition { level, peak, revision, .. } = self.condition;
        let latched = settings.latch_red && peak == Level::Red && self.handling.reset < revision;
        match (level, latched, acked) {
            (Level::Blue | Level::Yellow | Level::Orange | Level::Red, _, _) => Process::Active(level),
            (Level::Normal, true, _) => Process::Latched(peak),
            (Level::Normal, false, false) => Process::Returned(peak),
            (Level::Normal, false, true) => Process::Normal,
        }
    }

    fn suppression(&self, now: At) -> Suppression {
        let Handling { shelf, design, service, .. } = &self.handling;
        if self.holds(service, now) {
            Suppression::OutOfService
        } else if self.holds(design, now) {
            Suppression::ByDesign
        } else if self.holds(shelf, now) {
            Suppression::Shelved
        } else {
            Suppression::None
        }
    }

    fn holds(&self, register: &Register, now: At) -> bool {
        let Condition { level, occurrence, .. } = self.condition;
        register.held().is_some_and(|held| {
            held.until.is_none_or(|until| now < until)
                && level <= held.level_max
                && held.occurrence.is_none_or(|of| of == occurrence && level != Level::Normal)
        })
    }

    /// Whether a siren may sound for it: in force, not kept back, not silenced since its last rise.
    pub fn sounds(&self, settings: &Settings, now: At) -> bool {
        let View { process, suppression, .. } = self.view(settings, now);
        matches!(process, Process::Active(_))
            && suppression == Suppression::None
            && self.handling.silenced < self.condition.rise
    }

    /// The next moment at which time alone changes the view.
    pub fn timer(&self, settings: &Settings, now: At) -> Option<At> {
        let Handling { shelf, service, acked, .. } = &self.handling;
        let ends = [shelf, service].into_iter().filter_map(|register| register.held()?.until);
        let rearm = settings.rearm_ms.zip(acked.as_ref()).filter(|_| self.condition.level != Level::Normal);
        let rearm = rearm.map(|(ms, acked)| acked.at.plus_millis(ms));
        ends.chain(rearm).filter(|at| *at > now).min()
    }

    /// Takes an event at `now`.
    ///
    /// # Errors
    /// [`Refused`] only for [`Event::Ask`]: what has happened elsewhere is never refused.
    pub fn step(mut self, event: &Event, settings: &Settings, now: At) -> Result<(Alarm, Vec<Effect>), Refused> {
        let (before, rise) = (self.view(settings, now), self.condition.rise);
        let mut refold = false;
        match event {
            Event::Transition(transition) => refold = !self.condition.take(transition),
            Event::Ask(action) => {
                self.permit(before, action, settings, now)?;
                self.handling.join(action);
            }
            Event::Merge(action) => self.handling.join(action),
        }
        let effects = self.effects(before, rise, refold, settings, now);
        Ok((self, effects))
    }

    /// What time alone has changed between two moments.
    pub fn elapsed(&self, settings: &Settings, then: At, now: At) -> Vec<Effect> {
        self.effects(self.view(settings, then), self.condition.rise, false, settings, now)
    }

    fn effects(&self, before: View, rise: u64, refold: bool, settings: &Settings, now: At) -> Vec<Effect> {
        let after = self.view(settings, now);
        let mut effects = Vec::new();
        if refold {
            effects.push(Effect::Refold);
        }
        if before.isa() != after.isa() {
            effects.push(Effect::Shown(after.isa()));
        }
        let asks = after.isa() == Isa::Unack;
        if asks && (before.isa() != Isa::Unack || self.condition.rise > rise) {
            effects.push(Effect::Annunciate(after.level()));
        }
        effects
    }

    /// Every pair of state and request.
    fn permit(&self, view: View, action: &Action, settings: &Settings, now: At) -> Result<(), Refused> {
        use Suppression as S;
        match (&action.what, view.process, view.operator, view.suppression) {
            (Intent::Acknowledge, _, Operator::Acked, _) => Err(Refused::NothingToDo),
            (Intent::Acknowledge, _, Operator::Unacked, _) if action.revision < self.condition.rise => {
                Err(Refused::Stale)
            }
            (Intent::Acknowledge, _, Operator::Unacked, _) => Ok(()),
            (Intent::Silence, Process::Active(_), _, _) if action.revision < self.condition.rise => Err(Refused::Stale),
            (Intent::Silence, Process::Active(_), _, _) => Ok(()),
            (Intent::Silence, Process::Normal | Process::Latched(_) | Process::Returned(_), _, _) => {
                Err(Refused::NothingToDo)
            }
            (Intent::Shelve { .. }, _, _, S::OutOfService | S::ByDesign) => Err(Refused::NothingToDo),
            (Intent::Shelve { until, reason, .. }, _, _, S::None | S::Shelved) => {
                texts(reason, Refused::NoReason)?;
                within(*until, settings.shelve_ms_max, now)?;
                two_for_red(view, action)
            }
            (Intent::Unshelve, _, _, S::Shelved) => Ok(()),
            (Intent::Unshelve, _, _, S::None | S::ByDesign | S::OutOfService) => Err(Refused::NothingToDo),
            (Intent::OutOfService { until, work_order, reason }, _, _, _) => {
                texts(work_order, Refused::NoWorkOrder)?;
                texts(reason, Refused::NoReason)?;
                within(*until, settings.service_ms_max, now)?;
                two_for_red(view, action)
            }
            (Intent::ReturnToService, _, _, S::OutOfService) => Ok(()),
            (Intent::ReturnToService, _, _, S::None | S::ByDesign | S::Shelved) => Err(Refused::NothingToDo),
            (Intent::SuppressByDesign { rule }, _, _, _) => texts(rule, Refused::NoReason),
            (Intent::EndDesign, _, _, _) if self.handling.design.held().is_some() => Ok(()),
            (Intent::EndDesign, _, _, _) => Err(Refused::NothingToDo),
            (Intent::Reset, Process::Latched(_), _, _) if action.revision < self.condition.revision => {
                Err(Refused::Stale)
            }
            (Intent::Reset, Process::Latched(_), _, _) => Ok(()),
            (Intent::Reset, Process::Active(_), _, _) => Err(Refused::StillActive),
            (Intent::Reset, Process::Normal | Process::Returned(_), _, _) => Err(Refused::NothingToDo),
        }
    }

    /// An action as somebody who sees this alarm now would write it.
    pub fn action(&self, id: &str, origin: crate::Origin, by: &str, at: At, what: Intent) -> Action {
        let Condition { revision, peak, level, occurrence, .. } = self.condition;
        Action {
            id: id.to_owned(),
            counter: self.handling.counter + 1,
            revision,
            level: if level == Level::Normal { peak } else { level },
            occurrence,
            origin,
            by: by.to_owned(),
            second: None,
            at,
            what,
        }
    }
}

fn texts(text: &str, refused: Refused) -> Result<(), Refused> {
    let length = text.trim().chars().count();
    if (1..=TEXT_MAX).contains(&length) { Ok(()) } else { Err(refused) }
}

fn within(until: At, ms_max: i64, now: At) -> Result<(), Refused> {
    let ms = until.millis_since(now);
    if until > now && ms <= ms_max { Ok(()) } else { Err(Refused::Until) }
}

fn two_for_red(view: View, action: &Action) -> Result<(), Refused> {
    let two = action.second.as_ref().is_some_and(|second| *second != action.by);
    if view.level() == Level::Red && !two { Err(Refused::SecondPerson) } else { Ok(()) }
}
