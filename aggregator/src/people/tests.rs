//! People in a real SQLite store.

use super::policy::{Must, Policy, SecondFactor};
use super::*;
use crate::store::Store;
use minewatch_domain::At;

const PASSWORD: &str = "correct horse battery";
const NOW: At = At(1_795_000_000_000_000);

struct World {
    folder: tempfile::TempDir,
    people: People,
}

async fn world(policy: Policy) -> World {
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::open(&format!("sqlite:{}/mw.db", folder.path().display())).await.expect("store");
    let (setup_token_file, secret_key_file) = (folder.path().join("token"), folder.path().join("key"));
    let people = People::open(store, Policy { setup_token_file, secret_key_file, ..policy }).expect("opens");
    people.offer_setup().await.expect("offered");
    let world = World { folder, people };
    world.found("chief").await.expect("founded");
    world
}

fn optional() -> Policy {
    Policy { second_factor: SecondFactor::Optional, ..Policy::default() }
}

fn person(name: &str) -> PersonId {
    PersonId::parse(name).expect("slug")
}

impl World {
    async fn found(&self, name: &str) -> Result<(), PeopleError> {
        let token = std::fs::read_to_string(self.folder.path().join("token")).unwrap_or_default();
        let founder = Founder {
            person: name.to_owned(),
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
            role: Role::Administrator,
        };
        self.people.set_up(token.trim(), &[founder], NOW).await
    }

    async fn sign_in(&self, name: &str, password: &str, code: Option<&str>, at: At) -> Result<String, PeopleError> {
        let attempt = Attempt {
            person: name.to_owned(),
            password: password.to_owned(),
            code: code.map(str::to_owned),
            reason: None,
            from: Peer { address: "10.0.0.1".to_owned(), agent: "test".to_owned() },
        };
        self.people.sign_in(&attempt, at).await
    }

    async fn identity(&self, cookie: &str, at: At) -> Option<Identity> {
        self.people.identify(&People::session(cookie), at, false).await.expect("store")
    }

    async fn chief(&self) -> Identity {
        let cookie = self.sign_in("chief", PASSWORD, None, NOW).await.expect("in");
        self.identity(&cookie, NOW).await.expect("chief")
    }
}

#[tokio::test]
async fn the_set_up_works_once_and_only_with_its_token() {
    let world = world(optional()).await;
    assert!(matches!(world.found("second").await, Err(PeopleError::Wrong)));
    assert!(!world.folder.path().join("token").exists(), "the token's file is gone");
    assert!(!world.people.setup_offered());
}

#[tokio::test]
async fn a_session_is_new_each_time_and_ends_by_idleness_age_and_sign_out() {
    let world = world(optional()).await;
    let first = world.sign_in("chief", PASSWORD, None, NOW).await.expect("in");
    let second = world.sign_in("chief", PASSWORD, None, NOW).await.expect("in");
    assert_ne!(first, second);
    let identity = world.identity(&first, NOW).await.expect("signed in");
    assert!(identity.actor.may_somewhere(Action::GrantRights));
    assert!(world.identity("guess", NOW).await.is_none());
    assert!(world.identity(&first, NOW.plus_millis(29 * 60_000)).await.is_some(), "used before it is idle");
    assert!(world.identity(&second, NOW.plus_millis(31 * 60_000)).await.is_none(), "idle");
    assert!(world.identity(&first, NOW.plus_millis(58 * 60_000)).await.is_some(), "use keeps it open");
    assert!(world.identity(&first, NOW.plus_millis(12 * 3_600_000)).await.is_none(), "too old");
    let Via::Session(id) = &identity.actor.via else { panic!("a session") };
    world.people.end_session(&identity.actor, &person("chief"), id, NOW).await.expect("ended");
    assert!(world.identity(&first, NOW).await.is_none(), "signed out");
}

#[tokio::test]
async fn of_too_many_sessions_the_oldest_ends() {
    let world = world(Policy { sessions_max: 2, ..optional() }).await;
    let mut cookies = Vec::new();
    for minute in 0..3 {
        cookies.push(world.sign_in("chief", PASSWORD, None, NOW.plus_millis(minute * 60_000)).await.expect("in"));
    }
    let later = NOW.plus_millis(180_000);
    assert!(world.identity(&cookies[0], later).await.is_none());
    assert!(world.identity(&cookies[1], later).await.is_some());
    assert!(world.identity(&cookies[2], later).await.is_some());
}

#[tokio::test]
async fn wrong_passwords_slow_down_and_an_unknown_person_looks_the_same() {
    let world = world(optional()).await;
    for name in ["chief", "nobody-here"] {
        for _ in 0..5 {
            let refused = world.sign_in(name, "wrong wrong wrong", None, NOW).await;
            assert!(matches!(refused, Err(PeopleError::Wrong)), "{refused:?}");
        }
        let right = world.sign_in(name, PASSWORD, None, NOW).await;
        assert!(matches!(right, Err(PeopleError::Wait { seconds: 2 })), "{name}: {right:?}");
    }
    assert!(world.sign_in("chief", PASSWORD, None, NOW.plus_millis(2_000)).await.is_ok(), "after waiting");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_enrolled_and_its_code_works_once() {
    let world = world(Policy::default()).await;
    let cookie = world.sign_in("chief", PASSWORD, None, NOW).await.expect("in");
    let identity = world.identity(&cookie, NOW).await.expect("chief");
    assert_eq!(identity.must, Some(Must::EnrolSecondFactor));
    assert_eq!(identity.actor.grants, [], "nothing is allowed before");
    world.people.begin_second_factor(&identity).await.expect("secret");
    let secret = world.people.person(&person("chief")).await.expect("store").and_then(|p| p.totp_secret);
    let secret = secret.expect("a secret");
    assert!(secret.starts_with("v1:"), "sealed in the store: {secret}");
    let secret = world.people.unsealed("chief", Some(&secret)).expect("our key");
    let code = |at: At| (0..1_000_000).map(|n| format!("{n:06}")).find(|c| totp::accepted(&secret, c, at, 0).is_some());
    let code = code(NOW).expect("a code");
    assert!(world.people.confirm_second_factor(&identity, "000000x", NOW).await.is_err());
    let codes = world.people.confirm_second_factor(&identity, &code, NOW).await.expect("on");
    assert_eq!(world.identity(&cookie, NOW).await.expect("chief").must, None);
    let refused = world.sign_in("chief", PASSWORD, None, NOW).await;
    assert!(matches!(refused, Err(PeopleError::CodeNeeded)), "{refused:?}");
    let replayed = world.sign_in("chief", PASSWORD, Some(&code), NOW).await;
    assert!(matches!(replayed, Err(PeopleError::Wrong)), "the enrolling code is used up");
    assert!(world.sign_in("chief", PASSWORD, Some(&codes[0]), NOW).await.is_ok(), "a recovery code");
    let again = world.sign_in("chief", PASSWORD, Some(&codes[0]), NOW).await;
    assert!(matches!(again, Err(PeopleError::Wrong)), "works once");
}

#[tokio::test]
async fn secrets_of_an_older_program_are_sealed_at_the_start_and_a_foreign_key_says_so() {
    let world = world(optional()).await;
    let store = world.people.store.clone();
    let mut writing = store.begin().await.expect("begins");
    let old = "UPDATE people SET totp_secret = '3132333435363738393031323334353637383930', totp_on = 1";
    sqlx::query(old).execute(&mut *writing).await.expect("written");
    writing.commit().await.expect("committed");
    assert_eq!(world.people.seal_all().await.expect("sealed"), 1);
    assert_eq!(world.people.seal_all().await.expect("sealed"), 0, "once");
    // RFC 6238: the secret above at 59 s.
    let at = At(59_000_000);
    assert!(world.sign_in("chief", PASSWORD, Some("287082"), at).await.is_ok());
    let other = Policy { secret_key_file: world.folder.path().join("other"), ..optional() };
    let other = World { people: People::open(store, other).expect("opens"), folder: world.folder };
    assert_eq!(other.people.seal_all().await.expect("only logged"), 0);
    let refused = other.sign_in("chief", PASSWORD, Some("287082"), at.plus_millis(60_000)).await;
    assert!(matches!(&refused, Err(PeopleError::Impossible(why)) if why.contains("secret-key")), "{refused:?}");
}

#[tokio::test]
async fn a_token_does_no_more_than_its_owner_now_may_and_is_revoked_at_once() {
    let world = world(optional()).await;
    let chief = world.chief().await;
    let password = world.people.create(&chief.actor, "li.wei", "李伟", NOW).await.expect("made");
    let mine = OrgPath::parse("g/c/m").expect("path");
    let operator = Grant { role: Role::Operator, org: mine.clone(), domains: Domains::All };
    world.people.grant(&chief.actor, &person("li.wei"), std::slice::from_ref(&operator), NOW).await.expect("granted");
    let cookie = world.sign_in("li.wei", &password, None, NOW).await.expect("in");
    let li = world.identity(&cookie, NOW).await.expect("li");
    assert_eq!(li.must, Some(Must::ChangePassword));
    let from = Peer::default();
    let cookie =
        world.people.change_password(&li, (&password, "eine andere Losung"), &from, NOW).await.expect("changed");
    let li = world.identity(&cookie, NOW).await.expect("li");
    let wanted = |grant| NewToken { name: "wall".to_owned(), grants: vec![grant], days: 30 };
    let all = world.people.create_token(&li, &wanted(Grant::everywhere(Role::Viewer)), NOW).await;
    assert!(matches!(all, Err(PeopleError::Forbidden(_))), "more than the owner: {all:?}");
    let viewer = Grant { role: Role::Viewer, org: mine.clone(), domains: Domains::All };
    let (id, token) = world.people.create_token(&li, &wanted(viewer), NOW).await.expect("token");
    let shown = |at: At| {
        let (people, token) = (world.people.clone(), token.clone());
        async move { people.identify(&People::token(&token), at, false).await.expect("store") }
    };
    let actor = shown(NOW).await.expect("known").actor;
    assert!(actor.may(Action::View, Domain::Dam, &mine) && !actor.may(Action::Acknowledge, Domain::Dam, &mine));
    assert!(shown(NOW.plus_millis(30 * 86_400_000)).await.is_none(), "ended");
    world.people.grant(&chief.actor, &person("li.wei"), &[], NOW).await.expect("taken");
    assert!(!shown(NOW).await.expect("known").actor.may(Action::View, Domain::Dam, &mine), "the owner lost it");
    world.people.revoke_token(&chief.actor, &person("li.wei"), &id, NOW).await.expect("revoked");
    assert!(shown(NOW).await.is_none());
}

#[tokio::test]
async fn nobody_changes_their_own_rights_and_somebody_who_gives_them_remains() {
    let world = world(optional()).await;
    let chief = world.chief().await;
    let own = world.people.grant(&chief.actor, &person("chief"), &[], NOW).await;
    assert!(matches!(own, Err(PeopleError::Forbidden(_))), "{own:?}");
    world.people.create(&chief.actor, "second", "二", NOW).await.expect("made");
    let admin = [Grant::everywhere(Role::Administrator)];
    world.people.grant(&chief.actor, &person("second"), &admin, NOW).await.expect("granted");
    let second = Actor { person: person("second"), ..chief.actor.clone() };
    world.people.alter(&second, &person("chief"), None, Some(true), NOW).await.expect("disabled");
    assert!(world.sign_in("chief", PASSWORD, None, NOW).await.is_err(), "disabled");
    let third = Actor { person: person("third"), ..chief.actor.clone() };
    let last = world.people.alter(&third, &person("second"), None, Some(true), NOW).await;
    assert!(matches!(last, Err(PeopleError::Impossible(_))), "{last:?}");
}

#[tokio::test]
async fn the_glass_is_broken_with_a_reason_that_stands_in_the_trail() {
    let world = world(optional()).await;
    let chief = world.chief().await;
    let password = world.people.create(&chief.actor, "duty", "值班", NOW).await.expect("made");
    let glass = [Grant::everywhere(Role::BreakGlass)];
    world.people.grant(&chief.actor, &person("duty"), &glass, NOW).await.expect("granted");
    let cookie = world.sign_in("duty", &password, None, NOW).await.expect("in");
    let duty = world.identity(&cookie, NOW).await.expect("duty");
    let new = (password.as_str(), "neunzehn Zeichen ja");
    let cookie = world.people.change_password(&duty, new, &Peer::default(), NOW).await.expect("changed");
    let duty = world.identity(&cookie, NOW).await.expect("duty");
    assert!(!duty.actor.may_somewhere(Action::Acknowledge));
    assert!(matches!(world.people.break_glass(&duty, "short", NOW).await, Err(PeopleError::ReasonNeeded)));
    world.people.break_glass(&duty, "identity provider is down, red at dam 2", NOW).await.expect("broken");
    let duty = world.identity(&cookie, NOW).await.expect("duty");
    assert!(duty.actor.may(Action::Acknowledge, Domain::Dam, &OrgPath::root()));
    let wanted = crate::audit::Wanted { action: Some("session.break_glass".to_owned()), ..Default::default() };
    let entries = crate::audit::page(&world.people.store, &wanted, 10).await.expect("store");
    assert!(entries[0].detail.contains("red at dam 2"), "{entries:?}");
    let report = crate::audit::verify::verify(&world.people.store, None, None).await.expect("store");
    assert_eq!((report.findings, report.entries > 5), (vec![], true));
}
