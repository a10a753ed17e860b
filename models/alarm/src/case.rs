//! The closed loop over alarms (隐患闭环).
//!
//! ```text
//!  Raised ▶ Pushed ▶ Acknowledged ▶ Assigned ▶ Rectifying ▶ Submitted ▶ Verified ▶ Closed
//!    ▲        ▲ call (each rung once)    ◀── reassign  ◀── reject ──┘                │
//!    │        └─────────────── Reopened ◀── alarm again, resume, reopen ◀────────────┤
//!    └── a worse alarm joins (round + 1)      ▲                                      │
//!        FalsePositive(reason), Suppressed(until) ────────────────────────────────────┘
//! ```
//!
//! Invariants: the verifier is neither the handler nor the submitter; a close names cause and measure; a
//! rung of an escalation has one number per round, so it can be taken once; a case is a fold over its
//! events. Deliberately absent: alarms (closing clears none), who is called, rights.

use crate::action::TEXT_MAX;
use crate::case_state::{CaseEvent, CaseState, Policy, What};
use minewatch_domain::{At, Level};
use serde::{Deserialize, Serialize};

/// Rungs of one round, overdue calls included; then a case waits without calling.
pub const CALLS_MAX: u64 = 20;

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Where it is.
    pub state: CaseState,
    /// Worst level of its alarms in this round.
    pub level: Level,
    /// Rises when it is opened again and when a worse alarm joins.
    pub round: u64,
    /// When the round began.
    pub began: At,
    /// When the state was entered.
    pub entered: At,
    /// Next call's number in this round.
    pub step: u64,
    /// Deadlines of this state missed so far.
    pub missed: u64,
    /// How often it was opened again.
    pub reopened: u64,
    /// Who answered last.
    pub acked_by: Option<String>,
    /// Who handles it.
    pub handler: Option<String>,
    /// Who said it is done.
    pub submitted_by: Option<String>,
    /// Who agreed.
    pub verified_by: Option<String>,
    /// What it was.
    pub cause: Option<String>,
    /// What was done about it.
    pub measure: Option<String>,
    /// Why it is a false positive, put aside, rejected or opened again.
    pub reason: Option<String>,
    /// End of being put aside.
    pub until: Option<At>,
}

/// Why an event is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefused {
    /// Not from here.
    #[error("a case that is {} cannot {event}", .state.name())]
    NotFrom {
        /// The state.
        state: CaseState,
        /// The event.
        event: &'static str,
    },
    /// The handler alone.
    #[error("only the handler may do that")]
    NotHandler,
    /// Four eyes.
    #[error("whoever handled or submitted a case does not verify it")]
    SamePerson,
    /// Red.
    #[error("for a red case two different people are needed")]
    SecondPerson,
    /// A text is missing.
    #[error("reason, cause, measure and handler need 1 to 500 characters")]
    NoText,
    /// Ends in the past or beyond the longest time allowed.
    #[error("the end must lie in the future and within the longest time allowed")]
    Until,
    /// Closed too long.
    #[error("the case was closed too long ago; a new one is opened instead")]
    TooOld,
}

impl Case {
    /// A new case.
    pub fn raised(level: Level, at: At) -> Case {
        Case {
            state: CaseState::Raised,
            level,
            round: 0,
            began: at,
            entered: at,
            step: 0,
            missed: 0,
            reopened: 0,
            acked_by: None,
            handler: None,
            submitted_by: None,
            verified_by: None,
            cause: None,
            measure: None,
            reason: None,
            until: None,
        }
    }

    /// The state of a whole journal.
    ///
    /// # Errors
    /// Only when the journal was not written by [`Case::step`].
    pub fn replay<'a>(
        level: Level,
        at: At,
        events: impl IntoIterator<Item = &'a CaseEvent>,
        policy: &Policy,
    ) -> Result<Case, CaseRefused> {
        events.into_iter().try_fold(Case::raised(level, at), |case, event| case.step(event, policy))
    }

    /// When time has to be asked next; `None`: never.
    pub fn due(&self, policy: &Policy) -> Option<At> {
        if self.step >= CALLS_MAX && self.state != CaseState::Suppressed {
            return None;
        }
        let again = i64::try_from(self.missed + 1).unwrap_or(i64::MAX);
        let deadline = |ms: i64| Some(self.entered.plus_millis(ms.saturating_mul(again)));
        match self.state {
            CaseState::Raised | CaseState::Pushed | CaseState::Reopened => {
                let rung = policy.ladder_ms.get(usize::try_from(self.step).unwrap_or(usize::MAX));
                // A case is pushed even if nobody is on the ladder.
                let rung = rung.copied().or((self.step == 0).then_some(0));
                rung.map(|ms| self.began.plus_millis(ms))
            }
            CaseState::Acknowledged => deadline(policy.assign_ms),
            CaseState::Assigned => deadline(policy.start_ms),
            CaseState::Rectifying => deadline(policy.submit_ms),
            CaseState::Submitted => deadline(policy.verify_ms),
            CaseState::Verified => deadline(policy.close_ms),
            CaseState::Suppressed => self.until,
            CaseState::Closed | CaseState::FalsePositive => None,
        }
    }

    /// What time asks for at `now`.
    pub fn tick(&self, policy: &Policy, now: At) -> Option<What> {
        self.due(policy).filter(|due| *due <= now)?;
        Some(if self.state == CaseState::Suppressed { What::Resume } else { What::Called })
    }

    /// A deadline of the running state was missed.
    pub fn overdue(&self) -> bool {
        self.missed > 0
    }

    /// Takes an event. Every pair of state and event is named.
    ///
    /// # Errors
    /// [`CaseRefused`]; the case is then as before.
    pub fn step(self, event: &CaseEvent, policy: &Policy) -> Result<Case, CaseRefused> {
        use CaseState as S;
        let at = event.at;
        let refused = CaseRefused::NotFrom { state: self.state, event: event.what.name() };
        match &event.what {
            What::AlarmJoined { level } => Ok(self.joined(*level, at)),
            What::Called => self.called(refused),
            What::Acknowledge => match self.state {
                S::Raised | S::Pushed | S::Reopened => {
                    Ok(Case { acked_by: Some(event.by.clone()), ..self.enter(S::Acknowledged, at) })
                }
                S::Acknowledged | S::Assigned | S::Rectifying | S::Submitted | S::Verified => Err(refused),
                S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Assign { to } => match self.state {
                S::Acknowledged | S::Assigned | S::Rectifying => {
                    Ok(Case { handler: Some(text(to)?), ..self.enter(S::Assigned, at) })
                }
                S::Raised | S::Pushed | S::Reopened | S::Submitted | S::Verified => Err(refused),
                S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Start => match self.state {
                S::Assigned => self.handler_only(event).map(|case| case.enter(S::Rectifying, at)),
                S::Raised | S::Pushed | S::Acknowledged | S::Rectifying | S::Reopened => Err(refused),
                S::Submitted | S::Verified | S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Submit { cause, measure } => match self.state {
                S::Rectifying => self.handler_only(event)?.submitted(event, cause, measure),
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Reopened => Err(refused),
                S::Submitted | S::Verified | S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Verify => match self.state {
                S::Submitted => {
                    let verified_by = Some(event.by.clone());
                    Ok(Case { verified_by, ..self.reviewed_by(event)?.enter(S::Verified, at) })
                }
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => Err(refused),
                S::Verified | S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Reject { reason } => match self.state {
                S::Submitted => {
                    let reason = Some(text(reason)?);
                    Ok(Case { reason, submitted_by: None, ..self.reviewed_by(event)?.enter(S::Rectifying, at) })
                }
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => Err(refused),
                S::Verified | S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Close | What::FalsePositive { .. } | What::Suppress { .. } => self.settle(event, policy, refused),
            What::Resume => match self.state {
                S::Suppressed => Ok(self.again(S::Reopened, at)),
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => Err(refused),
                S::Submitted | S::Verified | S::Closed | S::FalsePositive => Err(refused),
            },
            What::Reopen { reason } => match self.state {
                S::Closed | S::FalsePositive if at.millis_since(self.entered) > policy.reopen_ms => {
                    Err(CaseRefused::TooOld)
                }
                S::Closed | S::FalsePositive => {
                    let (reopened, reason) = (self.reopened + 1, Some(text(reason)?));
                    Ok(Case { reopened, reason, ..self.again(S::Reopened, at) })
                }
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => Err(refused),
                S::Submitted | S::Verified | S::Suppressed => Err(refused),
            },
        }
    }

    /// The three ways in which people lay a case down.
    fn settle(self, event: &CaseEvent, policy: &Policy, refused: CaseRefused) -> Result<Case, CaseRefused> {
        use CaseState as S;
        let at = event.at;
        match &event.what {
            What::Close => match self.state {
                S::Verified if self.cause.is_some() && self.measure.is_some() => Ok(self.enter(S::Closed, at)),
                S::Verified => Err(CaseRefused::NoText),
                S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => Err(refused),
                S::Submitted | S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::FalsePositive { reason } => match self.state {
                S::Acknowledged | S::Assigned | S::Rectifying => self.put_away(event, S::FalsePositive, reason, None),
                S::Raised | S::Pushed | S::Reopened | S::Submitted | S::Verified => Err(refused),
                S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::Suppress { until, reason } => match self.state {
                S::Acknowledged | S::Assigned | S::Rectifying => {
                    let ms = until.millis_since(at);
                    if *until <= at || ms > policy.suppress_ms_max {
                        return Err(CaseRefused::Until);
                    }
                    self.put_away(event, S::Suppressed, reason, Some(*until))
                }
                S::Raised | S::Pushed | S::Reopened | S::Submitted | S::Verified => Err(refused),
                S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
            },
            What::AlarmJoined { .. } | What::Called | What::Acknowledge | What::Assign { .. } | What::Start => {
                Err(refused)
            }
            What::Submit { .. } | What::Verify | What::Reject { .. } | What::Resume | What::Reopen { .. } => {
                Err(refused)
            }
        }
    }

    /// A worse alarm starts a new round from anywhere; an equal or milder one does so only where
    /// somebody had said that the matter is settled.
    fn joined(self, level: Level, at: At) -> Case {
        use CaseState as S;
        let worse = level > self.level;
        let worst = self.level.max(level);
        match self.state {
            S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened if !worse => self,
            S::Suppressed if !worse => self,
            S::Raised | S::Pushed | S::Acknowledged | S::Assigned | S::Rectifying | S::Reopened => {
                Case { level: worst, ..self.again(S::Raised, at) }
            }
            S::Submitted | S::Verified | S::Suppressed => Case { level: worst, ..self.again(S::Reopened, at) },
            S::Closed | S::FalsePositive => {
                let reopened = self.reopened + 1;
                Case { level, reopened, ..self.again(S::Reopened, at) }
            }
        }
    }

    fn called(self, refused: CaseRefused) -> Result<Case, CaseRefused> {
        use CaseState as S;
        let step = self.step + 1;
        match self.state {
            S::Raised | S::Pushed | S::Reopened => Ok(Case { step, state: S::Pushed, ..self }),
            S::Acknowledged | S::Assigned | S::Rectifying | S::Submitted | S::Verified => {
                Ok(Case { step, missed: self.missed + 1, ..self })
            }
            S::Closed | S::FalsePositive | S::Suppressed => Err(refused),
        }
    }

    fn enter(self, state: CaseState, at: At) -> Case {
        Case { state, entered: at, missed: 0, until: None, ..self }
    }

    fn again(self, state: CaseState, at: At) -> Case {
        let round = self.round + 1;
        Case { round, step: 0, began: at, submitted_by: None, verified_by: None, ..self.enter(state, at) }
    }

    fn handler_only(self, event: &CaseEvent) -> Result<Case, CaseRefused> {
        if self.handler.as_ref() == Some(&event.by) { Ok(self) } else { Err(CaseRefused::NotHandler) }
    }

    fn submitted(self, event: &CaseEvent, cause: &str, measure: &str) -> Result<Case, CaseRefused> {
        let (cause, measure) = (Some(text(cause)?), Some(text(measure)?));
        let submitted_by = Some(event.by.clone());
        Ok(Case { cause, measure, submitted_by, ..self.enter(CaseState::Submitted, event.at) })
    }

    fn reviewed_by(self, event: &CaseEvent) -> Result<Case, CaseRefused> {
        let by = Some(&event.by);
        let same = self.handler.as_ref() == by || self.submitted_by.as_ref() == by;
        if same { Err(CaseRefused::SamePerson) } else { Ok(self) }
    }

    fn put_away(
        self,
        event: &CaseEvent,
        state: CaseState,
        reason: &str,
        until: Option<At>,
    ) -> Result<Case, CaseRefused> {
        let two = event.second.as_ref().is_some_and(|second| *second != event.by);
        if self.level == Level::Red && !two {
            return Err(CaseRefused::SecondPerson);
        }
        let reason = Some(text(reason)?);
        Ok(Case { reason, until, ..self.enter(state, event.at) })
    }
}

fn text(text: &str) -> Result<String, CaseRefused> {
    let text = text.trim();
    if (1..=TEXT_MAX).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err(CaseRefused::NoText) }
}
