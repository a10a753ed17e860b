//! Which right opens which route: the one table of doors.
//!
//! Invariant: a route that is not in the table is closed, whoever asks. What a caller sees behind
//! an open door is decided per thing, by `authorize`. `tests/tests/outsider.rs` holds the table
//! against the OpenAPI description.

use crate::people::Action;

/// What a route wants before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: health, and the way in.
    Public,
    /// To know who it is; works also while something must be done first.
    SignedIn,
    /// One of these rights, on some domain somewhere.
    One(&'static [Action]),
}

const VIEW: Need = Need::One(&[Action::View]);
const HEALTH: Need = Need::One(&[Action::ViewSystem]);
const PEOPLE: Need = Need::One(&[Action::ManagePeople]);
const RIGHTS: Need = Need::One(&[Action::GrantRights]);
const BOTH: Need = Need::One(&[Action::ManagePeople, Action::GrantRights]);
const OUTWARD: Need = Need::One(&[Action::ManageChannels, Action::ViewSystem]);
/// Some act on an alarm, a case or a rule, or a second person's consent to it; which one is asked for by its
/// handler.
const HANDLE: Need = Need::One(&[
    Action::Acknowledge,
    Action::Silence,
    Action::Shelve,
    Action::ApproveShelve,
    Action::Suppress,
    Action::CaseWork,
    Action::Assign,
    Action::Verify,
    Action::ManageRules,
]);
/// What belongs to the whole group; its handler asks for the right at the top.
const RULES: Need = Need::One(&[Action::ManageRules]);
const AUDIT: Need = Need::One(&[Action::ViewAudit]);

const DOORS: &[(&str, &str, Need)] = &[
    ("GET", "/healthz", Need::Public),
    ("GET", "/readyz", Need::Public),
    ("GET", "/metrics", HEALTH),
    ("GET", "/api/openapi.json", Need::SignedIn),
    ("GET", "/api/v1/sign-in", Need::Public),
    ("POST", "/api/v1/sign-in", Need::Public),
    ("POST", "/api/v1/setup", Need::Public),
    ("GET", "/api/v1/oidc/start", Need::Public),
    ("GET", "/api/v1/oidc/callback", Need::Public),
    ("GET", "/api/v1/me", Need::SignedIn),
    ("POST", "/api/v1/sign-out", Need::SignedIn),
    ("POST", "/api/v1/me/password", Need::SignedIn),
    ("POST", "/api/v1/me/second-factor", Need::SignedIn),
    ("POST", "/api/v1/me/second-factor/confirm", Need::SignedIn),
    ("POST", "/api/v1/me/second-factor/end", Need::SignedIn),
    ("POST", "/api/v1/me/break-glass", Need::SignedIn),
    ("GET", "/api/v1/me/sessions", Need::SignedIn),
    ("DELETE", "/api/v1/me/sessions/{id}", Need::SignedIn),
    ("GET", "/api/v1/me/tokens", Need::SignedIn),
    ("POST", "/api/v1/me/tokens", Need::SignedIn),
    ("DELETE", "/api/v1/me/tokens/{id}", Need::SignedIn),
    ("GET", "/api/v1/people", BOTH),
    ("POST", "/api/v1/people", PEOPLE),
    ("PATCH", "/api/v1/people/{person}", PEOPLE),
    ("POST", "/api/v1/people/{person}/reset", PEOPLE),
    ("PUT", "/api/v1/people/{person}/grants", RIGHTS),
    ("GET", "/api/v1/people/{person}/sessions", RIGHTS),
    ("DELETE", "/api/v1/people/{person}/sessions/{id}", RIGHTS),
    ("GET", "/api/v1/people/{person}/tokens", RIGHTS),
    ("DELETE", "/api/v1/people/{person}/tokens/{id}", RIGHTS),
    ("GET", "/api/v1/audit", AUDIT),
    ("GET", "/api/v1/audit/verify", AUDIT),
    ("GET", "/api/v1/audit/export", AUDIT),
    ("GET", "/api/v1/gateways", VIEW),
    ("GET", "/api/v1/points", VIEW),
    ("GET", "/api/v1/points/{gateway}/{point}/history", VIEW),
    ("GET", "/api/v1/points/{gateway}/{point}/forecast", VIEW),
    ("GET", "/api/v1/sites", VIEW),
    ("GET", "/api/v1/alarms/{gateway}/{alarm}/proof", VIEW),
    ("GET", "/api/v1/readings", VIEW),
    ("GET", "/api/v1/alarms", VIEW),
    ("GET", "/api/v1/alarms/{gateway}/{alarm}/journal", VIEW),
    ("GET", "/api/v1/ledger", VIEW),
    ("GET", "/api/v1/quarantine", HEALTH),
    ("GET", "/api/v1/system", VIEW),
    ("GET", "/api/v1/stream", VIEW),
    ("GET", "/api/v1/events", VIEW),
    ("GET", "/api/v1/annunciator", VIEW),
    ("GET", "/api/v1/alarms/{gateway}/{alarm}/actions", VIEW),
    ("POST", "/api/v1/alarms/{gateway}/{alarm}/{act}", HANDLE),
    ("GET", "/api/v1/requests", VIEW),
    ("POST", "/api/v1/requests/{id}/grant", HANDLE),
    ("GET", "/api/v1/cases", VIEW),
    ("GET", "/api/v1/cases/{id}", VIEW),
    ("POST", "/api/v1/cases/{id}/{act}", HANDLE),
    ("POST", "/api/v1/cases/{id}/evidence", HANDLE),
    ("GET", "/api/v1/cases/{id}/evidence/{sha256}", VIEW),
    ("GET", "/api/v1/cases/{id}/pack", Need::One(&[Action::Export])),
    // The channel's signature is the way in.
    ("POST", "/api/v1/receipts/{channel}", Need::Public),
    ("GET", "/api/v1/organisation", VIEW),
    ("POST", "/api/v1/organisation", Need::One(&[Action::ManageOrganisation])),
    ("GET", "/api/v1/evidence/{gateway}/{alarm}", VIEW),
    ("GET", "/api/v1/evidence/{gateway}/{alarm}/{revision}/{kind}", VIEW),
    ("GET", "/api/v1/feeds", VIEW),
    ("GET", "/api/v1/feeds/{feed}/quarantine", HEALTH),
    ("POST", "/api/v1/feeds/{feed}/replay/{sha256}", Need::One(&[Action::ManageSystem])),
    ("GET", "/api/v1/risk/units", VIEW),
    ("GET", "/api/v1/risk/warnings", VIEW),
    ("GET", "/api/v1/risk/warnings/{gateway}/{alarm}", VIEW),
    ("GET", "/api/v1/risk/fact", VIEW),
    ("GET", "/api/v1/rules", VIEW),
    ("POST", "/api/v1/rules/check", RULES),
    ("GET", "/api/v1/rules/{id}", VIEW),
    ("GET", "/api/v1/rules/{id}/versions/{version}", VIEW),
    ("PUT", "/api/v1/rules/{id}/versions/{version}", RULES),
    ("DELETE", "/api/v1/rules/{id}/versions/{version}", RULES),
    ("POST", "/api/v1/rules/{id}/versions/{version}/{act}", RULES),
    ("GET", "/api/v1/kpi", VIEW),
    ("GET", "/api/v1/channels", OUTWARD),
    ("POST", "/api/v1/channels/{name}/test", Need::One(&[Action::ManageChannels])),
    ("POST", "/api/v1/enrol-codes", Need::One(&[Action::ManageSystem])),
    ("GET", "/api/v1/notices", OUTWARD),
    ("GET", "/api/v1/schemas/{name}", Need::SignedIn),
    ("GET", "/api/asyncapi.json", Need::SignedIn),
];

/// What a method of a route wants; `None`: there is no such door.
pub(super) fn need(method: &str, path: &str) -> Option<Need> {
    let method = if method == "HEAD" { "GET" } else { method };
    DOORS.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, need)| *need)
}

/// Whether the path has a door for some method.
pub(super) fn known(path: &str) -> bool {
    DOORS.iter().any(|(_, p, _)| *p == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_description_has_a_door_and_every_door_a_route() {
        let described: serde_json::Value = serde_json::from_str(&super::super::openapi()).expect("JSON");
        let mut routes: Vec<String> = Vec::new();
        for (path, methods) in described["paths"].as_object().expect("paths") {
            routes.extend(methods.as_object().expect("methods").keys().map(|m| format!("{} {path}", m.to_uppercase())));
        }
        let plain = ["/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/asyncapi.json"];
        // Not in the description: they are there only where evidence is taken.
        let plain = |path: &&str| plain.contains(path) || path.starts_with("/api/v1/evidence/");
        let mut doors: Vec<String> =
            DOORS.iter().filter(|(_, p, _)| !plain(p)).map(|(m, p, _)| format!("{m} {p}")).collect();
        routes.sort();
        doors.sort();
        assert!(routes.len() > 20, "{routes:?}");
        assert_eq!(doors, routes);
    }

    #[test]
    fn only_the_way_in_and_health_are_public() {
        let public: Vec<&str> = DOORS.iter().filter(|(_, _, n)| *n == Need::Public).map(|(_, p, _)| *p).collect();
        let way_in = [
            "/api/v1/sign-in",
            "/api/v1/sign-in",
            "/api/v1/setup",
            "/api/v1/oidc/start",
            "/api/v1/oidc/callback",
            "/api/v1/receipts/{channel}",
        ];
        assert_eq!(public[..2], ["/healthz", "/readyz"]);
        assert_eq!(public[2..], way_in);
        assert_eq!(need("HEAD", "/api/v1/me"), Some(Need::SignedIn));
        assert_eq!(need("PUT", "/api/v1/me"), None);
        assert_eq!(need("GET", "/api/v1/secret"), None);
    }
}
