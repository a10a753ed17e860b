//! People, programs and what they may do.
//!
//! Invariant: whoever acts is an [`Actor`], made in one place from a proof of identity, and every
//! right is decided by [`authorize`]. Deliberately absent: what an action does.

mod accounts;
mod extract;
pub mod oidc;
mod password;
mod places;
pub mod policy;
mod rights;
#[cfg(test)]
mod rights_tests;
mod seal;
mod second_factor;
pub(crate) mod secret;
mod service;
mod sessions;
mod setup;
mod sign_in;
#[cfg(test)]
mod tests;
pub(crate) mod throttle;
mod totp;

pub use accounts::{Account, Reset};
pub use oidc::{Brought, Refusal};
pub use password::CHARS_MIN as PASSWORD_CHARS_MIN;
pub use places::Places;
pub use rights::{Action, Denied, Domain, Domains, Grant, Role, allowed, both};
pub use second_factor::Enrolment;
pub use service::{Credential, Identity, People, PeopleError};
pub use sessions::{NewToken, Session, Token};
pub use setup::Founder;
pub(crate) use setup::write_secret;
pub(crate) use sign_in::count_failure;
pub use sign_in::{Attempt, Peer};

use minewatch_domain::{OrgPath, PersonId};
use serde::Serialize;

/// How an actor proved who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A signed-in browser; public id of the session.
    Session(String),
    /// An API token; its public id.
    Token(String),
    /// The read token of the settings file.
    ReadToken,
    /// The set-up token of the first start.
    SetUp,
    /// The program itself: timers, retention, the writer.
    Program,
}

impl Via {
    /// For the audit trail: the kind, and the id where there is one. Never a secret.
    pub fn text(&self) -> String {
        match self {
            Via::Session(id) => format!("session:{id}"),
            Via::Token(id) => format!("token:{id}"),
            Via::ReadToken => "read_token".to_owned(),
            Via::SetUp => "set_up".to_owned(),
            Via::Program => "program".to_owned(),
        }
    }
}

/// Who acts, as every handler and every audit entry sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person, or the owner of the token.
    pub person: PersonId,
    /// Name for people.
    pub name: String,
    /// Proof of identity.
    pub via: Via,
    /// What it may do, as in force now: dormant, narrowed and forbidden grants are already gone.
    pub grants: Vec<Grant>,
}

impl Actor {
    /// The program itself; it may do everything and says so in the audit trail.
    pub fn program() -> Actor {
        Actor {
            person: system_person("minewatch"),
            name: "Minewatch".to_owned(),
            via: Via::Program,
            grants: vec![Grant::everywhere(Role::Administrator)],
        }
    }

    /// Whoever shows the read token of the settings: sees everything, changes nothing.
    pub fn read_token() -> Actor {
        Actor {
            person: system_person("read-token"),
            name: "read token".to_owned(),
            via: Via::ReadToken,
            grants: vec![Grant::everywhere(Role::Viewer), Grant::everywhere(Role::Monitor)],
        }
    }

    /// Whether it may do `action` on some domain somewhere: the door of a route. What it then sees
    /// or touches is asked one by one.
    pub fn may_somewhere(&self, action: Action) -> bool {
        self.grants.iter().any(|grant| grant.role.actions().contains(&action))
    }

    /// Whether one grant lets it see everything of every kind: no filter is needed then.
    pub fn sees_everything(&self) -> bool {
        let all = |grant: &Grant| grant.org.depth() == 0 && grant.domains == Domains::All;
        self.grants.iter().any(|grant| all(grant) && grant.role.actions().contains(&Action::View))
    }

    /// Whether it may do `action` on `domain` at `org`.
    pub fn may(&self, action: Action, domain: Domain, org: &OrgPath) -> bool {
        authorize(self, action, domain, org).is_ok()
    }

    /// Whether it may do `action` at `org` on any domain at all.
    pub fn may_any(&self, action: Action, org: &OrgPath) -> bool {
        Domain::ALL.into_iter().any(|domain| self.may(action, domain, org))
    }
}

/// Names of programs stand outside the alphabet check only in appearance: they are slugs.
fn system_person(name: &str) -> PersonId {
    match PersonId::parse(name) {
        Ok(person) => person,
        Err(_) => unreachable!("a constant slug"),
    }
}

/// The one decision: `action` on `domain` at a node of the organisation.
///
/// # Errors
/// [`Denied`] when no grant of the actor allows it.
pub fn authorize(actor: &Actor, action: Action, domain: Domain, org: &OrgPath) -> Result<(), Denied> {
    allowed(&actor.grants, action, domain, org)
}
