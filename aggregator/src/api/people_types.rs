//! JSON of people, rights, sessions and tokens.

use crate::clock;
use crate::people::{Account, Grant, Session, Token, Via};
use serde::Serialize;
use utoipa::ToSchema;

/// A right as written and read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GrantView {
    /// `viewer`, `monitor`, `operator`, `dispatcher`, `engineer`, `administrator`, `system_admin`,
    /// `security_admin`, `audit_admin`, `break_glass`.
    role: String,
    /// `/`, or `group[/company[/mine[/facility]]]`.
    org: String,
    /// `["*"]`, or some of `dam`, `fall`, `link`, `credit`, `procurement`, `treasury`, `legal`, `system`.
    domains: Vec<String>,
}

impl GrantView {
    fn of(grant: &Grant) -> GrantView {
        GrantView {
            role: grant.role.name().to_owned(),
            org: grant.org.to_string(),
            domains: grant.domains.to_string().split(',').map(str::to_owned).collect(),
        }
    }
}

/// A person, for administrators.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PersonView {
    person: String,
    name: String,
    disabled: bool,
    /// Has a password here.
    local: bool,
    /// Signs in at the identity provider.
    provider: bool,
    second_factor: bool,
    created_at: String,
    signed_in_at: Option<String>,
    grants: Vec<GrantView>,
}

impl PersonView {
    pub(super) fn of(account: &Account) -> PersonView {
        PersonView {
            person: account.person.to_string(),
            name: account.name.clone(),
            disabled: account.disabled,
            local: account.local,
            provider: account.provider,
            second_factor: account.second_factor,
            created_at: clock::text(account.created),
            signed_in_at: account.signed_in.map(clock::text),
            grants: account.grants.iter().map(GrantView::of).collect(),
        }
    }
}

/// An open session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct SessionView {
    id: String,
    /// The one that asks.
    current: bool,
    created_at: String,
    seen_at: String,
    ends_at: String,
    address: String,
    agent: String,
}

impl SessionView {
    pub(super) fn of(session: &Session, asking: &Via) -> SessionView {
        SessionView {
            current: *asking == Via::Session(session.id.clone()),
            id: session.id.clone(),
            created_at: clock::text(session.created),
            seen_at: clock::text(session.seen),
            ends_at: clock::text(session.ends),
            address: session.address.clone(),
            agent: session.agent.clone(),
        }
    }
}

/// An API token, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TokenView {
    id: String,
    name: String,
    grants: Vec<GrantView>,
    created_at: String,
    ends_at: String,
    used_at: Option<String>,
    revoked_at: Option<String>,
}

impl TokenView {
    pub(super) fn of(token: &Token) -> TokenView {
        TokenView {
            id: token.id.clone(),
            name: token.name.clone(),
            grants: token.grants.iter().map(GrantView::of).collect(),
            created_at: clock::text(token.created),
            ends_at: clock::text(token.ends),
            used_at: token.used.map(clock::text),
            revoked_at: token.revoked.map(clock::text),
        }
    }
}
