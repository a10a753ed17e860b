//! Who may do what: one pure decision for HTTP, event streams, exports and commands.
//!
//! Invariant: nothing is allowed that no grant names; a right is an action, on a domain, on a node
//! of the organisation and what is below it. Deliberately absent: passwords, sessions, SQL.

use minewatch_domain::OrgPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a warning or a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Tailings dams: readings, levels.
    Dam,
    /// Falls of people, cameras.
    Fall,
    /// Links, clocks, spools: whether a site can be seen.
    Link,
    /// Credit.
    Credit,
    /// Procurement.
    Procurement,
    /// Treasury.
    Treasury,
    /// Legal matters.
    Legal,
    /// Headquarters itself: people, settings, audit.
    System,
}

impl Domain {
    /// Every domain.
    pub const ALL: [Domain; 8] = [
        Domain::Dam,
        Domain::Fall,
        Domain::Link,
        Domain::Credit,
        Domain::Procurement,
        Domain::Treasury,
        Domain::Legal,
        Domain::System,
    ];

    /// Name in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Domain::Dam => "dam",
            Domain::Fall => "fall",
            Domain::Link => "link",
            Domain::Credit => "credit",
            Domain::Procurement => "procurement",
            Domain::Treasury => "treasury",
            Domain::Legal => "legal",
            Domain::System => "system",
        }
    }

    /// The domain of a name.
    pub fn from_name(name: &str) -> Option<Domain> {
        Domain::ALL.into_iter().find(|domain| domain.name() == name)
    }

    /// The domain of a gateway's alarm, by the name of its kind. A kind nobody has placed counts as
    /// the dam's, the domain most people see: an alarm must not vanish because it is new.
    pub fn of_alarm_kind(kind: &str) -> Domain {
        match kind {
            "link_down" | "spool" | "clock" => Domain::Link,
            "fall" | "camera_health" => Domain::Fall,
            "credit_risk" => Domain::Credit,
            "procurement_risk" => Domain::Procurement,
            "treasury_risk" => Domain::Treasury,
            "legal_risk" => Domain::Legal,
            _ => Domain::Dam,
        }
    }
}

/// Something a person may want to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See readings, alarms, cases and their history, also live.
    View,
    /// Take them out as a file.
    Export,
    /// Acknowledge an alarm.
    Acknowledge,
    /// Silence the sound.
    Silence,
    /// Shelve an alarm for a time, or ask for it when it is red.
    Shelve,
    /// Agree to a shelving another person asked for (red).
    ApproveShelve,
    /// Take out of service, or suppress by design.
    Suppress,
    /// Write notes and evidence, rectify, submit.
    CaseWork,
    /// Assign a case, change its deadline, mark a false positive.
    Assign,
    /// Verify another person's work and close.
    Verify,
    /// Change rules, levels and risk parameters.
    ManageRules,
    /// Change the organisation, responsible parties, rosters and ladders.
    ManageOrganisation,
    /// Change notification channels and subscribers.
    ManageChannels,
    /// See counters, quarantine, connections.
    ViewSystem,
    /// Change settings of headquarters.
    ManageSystem,
    /// Create, disable and reset people.
    ManagePeople,
    /// Give and take rights, end sessions and tokens of others.
    GrantRights,
    /// Read, check and export the audit trail.
    ViewAudit,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 18] = [
        Action::View,
        Action::Export,
        Action::Acknowledge,
        Action::Silence,
        Action::Shelve,
        Action::ApproveShelve,
        Action::Suppress,
        Action::CaseWork,
        Action::Assign,
        Action::Verify,
        Action::ManageRules,
        Action::ManageOrganisation,
        Action::ManageChannels,
        Action::ViewSystem,
        Action::ManageSystem,
        Action::ManagePeople,
        Action::GrantRights,
        Action::ViewAudit,
    ];
}

/// A named set of actions; `docs/security.md` shows the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees headquarters' own health; for monitoring programs.
    Monitor,
    /// On watch: acknowledges, silences, shelves, works on cases.
    Operator,
    /// In charge: what an operator may, and assigns, agrees to shelving, verifies, exports.
    Dispatcher,
    /// Keeps rules, organisation, channels and out-of-service lists.
    Engineer,
    /// Everything; only without the three separate administrators.
    Administrator,
    /// Of the three (系统管理员): people's accounts and settings.
    SystemAdmin,
    /// Of the three (安全管理员): rights.
    SecurityAdmin,
    /// Of the three (审计管理员): the audit trail.
    AuditAdmin,
    /// Nothing until a reason is given; then, for an hour, what a dispatcher may.
    BreakGlass,
}

const VIEWER: &[Action] = &[Action::View];
const MONITOR: &[Action] = &[Action::ViewSystem];
const OPERATOR: &[Action] = &[Action::View, Action::Acknowledge, Action::Silence, Action::Shelve, Action::CaseWork];
const DISPATCHER: &[Action] = &[
    Action::View,
    Action::Export,
    Action::Acknowledge,
    Action::Silence,
    Action::Shelve,
    Action::ApproveShelve,
    Action::CaseWork,
    Action::Assign,
    Action::Verify,
];
const ENGINEER: &[Action] = &[
    Action::View,
    Action::Export,
    Action::Suppress,
    Action::ManageRules,
    Action::ManageOrganisation,
    Action::ManageChannels,
    Action::ViewSystem,
];
const SYSTEM_ADMIN: &[Action] = &[Action::ViewSystem, Action::ManageSystem, Action::ManagePeople];
const SECURITY_ADMIN: &[Action] = &[Action::GrantRights];
const AUDIT_ADMIN: &[Action] = &[Action::ViewAudit];

impl Role {
    /// Every role.
    pub const ALL: [Role; 10] = [
        Role::Viewer,
        Role::Monitor,
        Role::Operator,
        Role::Dispatcher,
        Role::Engineer,
        Role::Administrator,
        Role::SystemAdmin,
        Role::SecurityAdmin,
        Role::AuditAdmin,
        Role::BreakGlass,
    ];

    /// The three separate administrators.
    pub const THREE: [Role; 3] = [Role::SystemAdmin, Role::SecurityAdmin, Role::AuditAdmin];

    /// Name in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Monitor => "monitor",
            Role::Operator => "operator",
            Role::Dispatcher => "dispatcher",
            Role::Engineer => "engineer",
            Role::Administrator => "administrator",
            Role::SystemAdmin => "system_admin",
            Role::SecurityAdmin => "security_admin",
            Role::AuditAdmin => "audit_admin",
            Role::BreakGlass => "break_glass",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it allows.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Role::Viewer => VIEWER,
            Role::Monitor => MONITOR,
            Role::Operator => OPERATOR,
            Role::Dispatcher => DISPATCHER,
            Role::Engineer => ENGINEER,
            Role::Administrator => &Action::ALL,
            Role::SystemAdmin => SYSTEM_ADMIN,
            Role::SecurityAdmin => SECURITY_ADMIN,
            Role::AuditAdmin => AUDIT_ADMIN,
            // Dormant: a broken glass becomes a dispatcher's grant for its time.
            Role::BreakGlass => &[],
        }
    }

    /// Whether it may change people, rights or settings, or read the audit.
    pub fn administers(self) -> bool {
        self == Role::Administrator || Role::THREE.contains(&self)
    }
}

/// Which domains a grant covers. JSON: `["*"]`, or names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum Domains {
    /// All there are and will be.
    All,
    /// These.
    Only(BTreeSet<Domain>),
}

impl Domains {
    /// Whether `domain` is among them.
    pub fn contain(&self, domain: Domain) -> bool {
        match self {
            Domains::All => true,
            Domains::Only(some) => some.contains(&domain),
        }
    }

    /// What both cover.
    pub fn both(&self, other: &Domains) -> Domains {
        match (self, other) {
            (Domains::All, some) | (some, Domains::All) => some.clone(),
            (Domains::Only(a), Domains::Only(b)) => Domains::Only(a & b),
        }
    }
}

/// A role, on a node of the organisation and what is below it, on some domains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// What may be done.
    pub role: Role,
    /// Where.
    pub org: OrgPath,
    /// On what.
    pub domains: Domains,
}

impl Grant {
    /// A role everywhere, on everything.
    pub fn everywhere(role: Role) -> Grant {
        Grant { role, org: OrgPath::root(), domains: Domains::All }
    }

    /// Whether this grant alone allows it.
    pub fn allows(&self, action: Action, domain: Domain, org: &OrgPath) -> bool {
        self.role.actions().contains(&action) && self.domains.contain(domain) && self.org.contains(org)
    }
}

/// What of `narrow` a holder of `wide` may pass on: a token never does more than its owner now may.
pub fn both(narrow: &[Grant], wide: &[Grant]) -> Vec<Grant> {
    let mut found = BTreeSet::new();
    for n in narrow {
        for w in wide {
            let org = match (n.org.contains(&w.org), w.org.contains(&n.org)) {
                (true, _) => &w.org,
                (_, true) => &n.org,
                (false, false) => continue,
            };
            let domains = n.domains.both(&w.domains);
            let covered = n.role.actions().iter().all(|action| w.role.actions().contains(action));
            if covered && domains != Domains::Only(BTreeSet::new()) {
                found.insert(Grant { role: n.role, org: org.clone(), domains });
            }
        }
    }
    found.into_iter().collect()
}

/// Not allowed. The answer to the caller says no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not allowed: {action:?} on {domain:?}")]
pub struct Denied {
    /// What was asked for.
    pub action: Action,
    /// On what.
    pub domain: Domain,
}

/// Whether some grant allows `action` on `domain` at `org`.
///
/// # Errors
/// [`Denied`] when none does.
pub fn allowed(grants: &[Grant], action: Action, domain: Domain, org: &OrgPath) -> Result<(), Denied> {
    match grants.iter().any(|grant| grant.allows(action, domain, org)) {
        true => Ok(()),
        false => Err(Denied { action, domain }),
    }
}

impl TryFrom<Vec<String>> for Domains {
    type Error = String;
    fn try_from(names: Vec<String>) -> Result<Domains, String> {
        Domains::parse(&names.join(",")).ok_or_else(|| format!("domains must be [\"*\"] or known names, not {names:?}"))
    }
}

impl From<Domains> for Vec<String> {
    fn from(domains: Domains) -> Vec<String> {
        domains.to_string().split(',').map(str::to_owned).collect()
    }
}

impl fmt::Display for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domains::All => f.write_str("*"),
            Domains::Only(some) => f.write_str(&some.iter().map(|domain| domain.name()).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Domains {
    /// Reads what `Display` writes: `*` or names joined by commas.
    pub fn parse(text: &str) -> Option<Domains> {
        match text {
            "*" => Some(Domains::All),
            names => names.split(',').map(Domain::from_name).collect::<Option<_>>().map(Domains::Only),
        }
    }
}
