//! Rules that the settings choose: second factor, separation of administrators, session times.
//!
//! Invariant: what is in force of a person's grants is decided here, once, whatever stands in the
//! store. Pure.

use super::oidc::Provider;
use super::rights::{Grant, Role};
use serde::Serialize;
use std::path::PathBuf;

/// Who must have a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// Nobody must; everybody may.
    Optional,
    /// Whoever administers.
    Administrators,
    /// Everybody.
    Everyone,
}

/// Who may sign in with a password while an identity provider is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalSignIn {
    /// Everybody who has one.
    Everyone,
    /// Only holders of a break-glass grant, with a reason: for when the provider is down.
    BreakGlass,
}

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who must have a second factor.
    pub second_factor: SecondFactor,
    /// System, security and audit administrator are different people (等保 三员分立).
    pub three_administrators: bool,
    /// A session that does nothing ends after this long.
    pub idle_ms: i64,
    /// A session ends after this long in any case.
    pub session_ms: i64,
    /// Sessions of one person; the oldest ends when there are more.
    pub sessions_max: i64,
    /// Passwords older than this must be changed; `None`: never (the ASVS's advice).
    pub password_days: Option<u32>,
    /// Longest life of an API token.
    pub token_days_max: u32,
    /// Passwords beside an identity provider.
    pub local: LocalSignIn,
    /// Where the token of the first start is written.
    pub setup_token_file: PathBuf,
    /// Origin under which browsers reach us, for example `https://mine.example`; else the Host header is believed.
    pub public_url: Option<String>,
    /// Cookies are `Secure` and `__Host-`: TLS here or at the proxy in front.
    pub secure: bool,
    /// The peer whose `X-Forwarded-For` is believed.
    pub proxy: Option<std::net::IpAddr>,
    /// The identity provider, if there is one.
    pub provider: Option<Provider>,
    /// The key that secrets in the store are sealed with; made when it is not there.
    pub secret_key_file: PathBuf,
}

/// A broken glass is open for this long.
pub const BROKEN_MS: i64 = 3_600_000;
/// Shortest reason for breaking the glass, in characters.
pub const REASON_CHARS_MIN: usize = 10;

/// What somebody must do before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// The password was given by another person, or is too old.
    ChangePassword,
    /// The rules want a second factor.
    EnrolSecondFactor,
}

/// What the rules look at, beside the grants.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The password was set by somebody else.
    pub must_change: bool,
    /// Age of the password, in days; `None` without one.
    pub password_age_days: Option<i64>,
    /// A second factor is on, or the identity provider answers for it.
    pub second_factor: bool,
}

impl Policy {
    /// Grants as they count now: forbidden ones dropped, break-glass ones only while the glass is broken.
    pub fn in_force(&self, grants: Vec<Grant>, broken: bool) -> Vec<Grant> {
        let mut in_force = Vec::with_capacity(grants.len());
        for grant in grants {
            match grant.role {
                Role::Administrator if self.three_administrators => {}
                Role::BreakGlass if broken => {
                    in_force.push(Grant { role: Role::Dispatcher, ..grant.clone() });
                    in_force.push(grant);
                }
                Role::Viewer
                | Role::Monitor
                | Role::Operator
                | Role::Dispatcher
                | Role::Engineer
                | Role::Administrator
                | Role::SystemAdmin
                | Role::SecurityAdmin
                | Role::AuditAdmin
                | Role::BreakGlass => in_force.push(grant),
            }
        }
        in_force
    }

    /// Why one person may not hold these grants together.
    pub fn conflict(&self, grants: &[Grant]) -> Option<&'static str> {
        if !self.three_administrators {
            return None;
        }
        let has = |role: Role| grants.iter().any(|grant| grant.role == role);
        let admins = Role::THREE.into_iter().filter(|role| has(*role)).count();
        let others = grants.iter().any(|grant| !Role::THREE.contains(&grant.role) && grant.role != Role::Viewer);
        match () {
            () if has(Role::Administrator) => {
                Some("three separate administrators are required; there is no administrator of everything")
            }
            () if admins > 1 => Some("system, security and audit administrator must be different people"),
            () if admins == 1 && others => Some("an administrator of the three may not hold operational roles"),
            () => None,
        }
    }

    /// What must be done first; nothing else is allowed until then.
    pub fn must(&self, standing: Standing, grants: &[Grant]) -> Option<Must> {
        let too_old = match (self.password_days, standing.password_age_days) {
            (Some(days), Some(age)) => age >= i64::from(days),
            (None, _) | (_, None) => false,
        };
        let wanted = match self.second_factor {
            SecondFactor::Optional => false,
            SecondFactor::Administrators => grants.iter().any(|grant| grant.role.administers()),
            SecondFactor::Everyone => true,
        };
        match () {
            () if standing.must_change || too_old => Some(Must::ChangePassword),
            () if wanted && !standing.second_factor => Some(Must::EnrolSecondFactor),
            () => None,
        }
    }

    /// Roles of the people the set-up makes.
    pub fn first_roles(&self) -> &'static [Role] {
        match self.three_administrators {
            true => &Role::THREE,
            false => &[Role::Administrator],
        }
    }

    /// Name of the session cookie. `__Host-` binds it to this host and to TLS.
    pub fn cookie(&self) -> &'static str {
        if self.secure { "__Host-minewatch" } else { "minewatch" }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            second_factor: SecondFactor::Administrators,
            three_administrators: false,
            idle_ms: 30 * 60_000,
            session_ms: 12 * 3_600_000,
            sessions_max: 5,
            password_days: None,
            token_days_max: 365,
            local: LocalSignIn::Everyone,
            setup_token_file: PathBuf::from("minewatch.setup-token"),
            public_url: None,
            secure: false,
            proxy: None,
            provider: None,
            secret_key_file: PathBuf::from("minewatch.secret-key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{Action, Domain, allowed};
    use minewatch_domain::OrgPath;

    fn grants(roles: &[Role]) -> Vec<Grant> {
        roles.iter().map(|role| Grant::everywhere(*role)).collect()
    }

    #[test]
    fn the_glass_gives_nothing_until_it_is_broken() {
        let policy = Policy::default();
        let may = |broken| {
            let grants = policy.in_force(grants(&[Role::BreakGlass]), broken);
            allowed(&grants, Action::Acknowledge, Domain::Dam, &OrgPath::root()).is_ok()
        };
        assert!(!may(false));
        assert!(may(true));
    }

    #[test]
    fn three_administrators_are_three_people_and_do_not_operate() {
        let policy = Policy { three_administrators: true, ..Policy::default() };
        for (roles, fits) in [
            (&[Role::SystemAdmin][..], true),
            (&[Role::SystemAdmin, Role::Viewer], true),
            (&[Role::SystemAdmin, Role::SecurityAdmin], false),
            (&[Role::AuditAdmin, Role::Operator], false),
            (&[Role::Administrator], false),
            (&[Role::Operator, Role::Engineer], true),
        ] {
            assert_eq!(policy.conflict(&grants(roles)).is_none(), fits, "{roles:?}");
            assert!(Policy::default().conflict(&grants(roles)).is_none(), "{roles:?}: no rule, no conflict");
        }
        assert_eq!(policy.in_force(grants(&[Role::Administrator]), false), []);
    }

    #[test]
    fn what_must_be_done_first() {
        let good = Standing { must_change: false, password_age_days: Some(10), second_factor: false };
        let policy = |second_factor, password_days| Policy { second_factor, password_days, ..Policy::default() };
        let admin = grants(&[Role::Administrator]);
        let viewer = grants(&[Role::Viewer]);
        let optional = policy(SecondFactor::Optional, None);
        assert_eq!(optional.must(good, &admin), None);
        assert_eq!(optional.must(Standing { must_change: true, ..good }, &viewer), Some(Must::ChangePassword));
        let admins = policy(SecondFactor::Administrators, None);
        assert_eq!(admins.must(good, &admin), Some(Must::EnrolSecondFactor));
        assert_eq!(admins.must(good, &viewer), None);
        assert_eq!(admins.must(Standing { second_factor: true, ..good }, &admin), None);
        assert_eq!(policy(SecondFactor::Everyone, None).must(good, &viewer), Some(Must::EnrolSecondFactor));
        let rotating = policy(SecondFactor::Optional, Some(10));
        assert_eq!(rotating.must(good, &viewer), Some(Must::ChangePassword));
        assert_eq!(rotating.must(Standing { password_age_days: Some(9), ..good }, &viewer), None);
        assert_eq!(rotating.must(Standing { password_age_days: None, ..good }, &viewer), None);
    }
}
