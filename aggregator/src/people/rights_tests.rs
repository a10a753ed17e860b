//! `authorize` against a table written independently of the roles' lists.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The reference: one line per action; columns viewer, monitor, operator, dispatcher, engineer,
/// administrator, system, security, audit administrator, break-glass.
const TABLE: &str = "
    view                v.oDE A... .
    export              ...DE A... .
    acknowledge         ..oD. A... .
    silence             ..oD. A... .
    shelve              ..oD. A... .
    approve_shelve      ...D. A... .
    suppress            ....E A... .
    case_work           ..oD. A... .
    assign              ...D. A... .
    verify              ...D. A... .
    manage_rules        ....E A... .
    manage_organisation ....E A... .
    manage_channels     ....E A... .
    view_system         .m..E As.. .
    manage_system       ..... As.. .
    manage_people       ..... As.. .
    grant_rights        ..... A.g. .
    view_audit          ..... A..a .";

fn table() -> BTreeSet<(String, Role)> {
    let mut allowed = BTreeSet::new();
    for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (action, marks) = line.split_once(' ').expect("a row");
        let marks: Vec<char> = marks.chars().filter(|mark| *mark != ' ').collect();
        assert_eq!(marks.len(), Role::ALL.len(), "{line}");
        for (mark, role) in marks.iter().zip(Role::ALL) {
            if *mark != '.' {
                allowed.insert((action.to_owned(), role));
            }
        }
    }
    allowed
}

fn name(action: Action) -> String {
    serde_json::to_value(action).expect("a name").as_str().expect("text").to_owned()
}

fn any_org() -> impl Strategy<Value = OrgPath> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 0..=4)
        .prop_map(|levels| OrgPath::parse(&levels.join("/")).unwrap_or_else(|_| OrgPath::root()))
}

fn any_domains() -> impl Strategy<Value = Domains> {
    prop_oneof![
        Just(Domains::All),
        prop::collection::btree_set(prop::sample::select(Domain::ALL.to_vec()), 0..4).prop_map(Domains::Only)
    ]
}

fn any_grant() -> impl Strategy<Value = Grant> {
    (prop::sample::select(Role::ALL.to_vec()), any_org(), any_domains()).prop_map(|(role, org, domains)| Grant {
        role,
        org,
        domains,
    })
}

fn any_grants() -> impl Strategy<Value = Vec<Grant>> {
    prop::collection::vec(any_grant(), 0..5)
}

fn actor(grants: Vec<Grant>) -> Actor {
    Actor { grants, ..Actor::read_token() }
}

/// The decision written the slow way: by lists of levels and the table.
fn reference(grants: &[Grant], action: Action, domain: Domain, org: &OrgPath) -> bool {
    let table = table();
    grants.iter().any(|grant| {
        let above: Vec<&str> = grant.org.levels().collect();
        let here: Vec<&str> = org.levels().take(above.len()).collect();
        let on = match &grant.domains {
            Domains::All => true,
            Domains::Only(some) => some.iter().any(|one| *one == domain),
        };
        table.contains(&(name(action), grant.role)) && on && above == here
    })
}

#[test]
fn the_table_names_every_action() {
    let rows: BTreeSet<String> =
        TABLE.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert_eq!(rows, Action::ALL.into_iter().map(name).collect());
}

#[test]
fn without_a_grant_nothing_is_allowed() {
    for action in Action::ALL {
        for domain in Domain::ALL {
            assert!(authorize(&actor(Vec::new()), action, domain, &OrgPath::root()).is_err());
        }
    }
}

proptest! {
    #[test]
    fn the_decision_is_the_tables(
        grants in any_grants(), org in any_org(),
        action in prop::sample::select(Action::ALL.to_vec()),
        domain in prop::sample::select(Domain::ALL.to_vec()),
    ) {
        let decided = authorize(&actor(grants.clone()), action, domain, &org).is_ok();
        prop_assert_eq!(decided, reference(&grants, action, domain, &org));
    }

    #[test]
    fn one_more_grant_never_takes_a_right_away(
        grants in any_grants(), more in any_grant(), org in any_org(),
        action in prop::sample::select(Action::ALL.to_vec()),
        domain in prop::sample::select(Domain::ALL.to_vec()),
    ) {
        let before = authorize(&actor(grants.clone()), action, domain, &org).is_ok();
        let after = authorize(&actor([grants, vec![more]].concat()), action, domain, &org).is_ok();
        prop_assert!(after || !before);
    }

    #[test]
    fn a_narrowed_grant_allows_only_what_both_allow(
        token in any_grants(), owner in any_grants(), org in any_org(),
        action in prop::sample::select(Action::ALL.to_vec()),
        domain in prop::sample::select(Domain::ALL.to_vec()),
    ) {
        let narrowed = both(&token, &owner);
        if allowed(&narrowed, action, domain, &org).is_ok() {
            prop_assert!(allowed(&token, action, domain, &org).is_ok(), "more than the token");
            prop_assert!(allowed(&owner, action, domain, &org).is_ok(), "more than the owner");
        }
    }

    #[test]
    fn grants_of_one_role_narrow_to_exactly_what_both_allow(
        role in prop::sample::select(Role::ALL.to_vec()), orgs in (any_org(), any_org()),
        domains in (any_domains(), any_domains()), org in any_org(),
        action in prop::sample::select(Action::ALL.to_vec()),
        domain in prop::sample::select(Domain::ALL.to_vec()),
    ) {
        let token = [Grant { role, org: orgs.0, domains: domains.0 }];
        let owner = [Grant { role, org: orgs.1, domains: domains.1 }];
        let wanted = allowed(&token, action, domain, &org).is_ok() && allowed(&owner, action, domain, &org).is_ok();
        prop_assert_eq!(allowed(&both(&token, &owner), action, domain, &org).is_ok(), wanted);
    }

    #[test]
    fn domains_read_back_what_they_write(domains in any_domains()) {
        let empty = domains == Domains::Only(BTreeSet::new());
        prop_assert_eq!(Domains::parse(&domains.to_string()), (!empty).then_some(domains));
    }
}
