//! People's accounts: made, changed, disabled, reset; and their grants.
//!
//! Invariant: nobody changes their own rights, and somebody who can give rights always remains.
//! Accounts are never deleted: the audit trail names them.

use super::service::{PERSON, People, PeopleError, Person, changed, count, person_of, touched};
use super::{Action, Actor, Domain, Grant, Role, Via, authorize, secret};
use crate::audit;
use crate::store::Columns;
use minewatch_domain::{At, OrgPath, PersonId};
use serde_json::json;
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// People of one headquarters; a group has some thousands.
const PEOPLE_MAX: i64 = 20_000;
/// Grants of one person.
const GRANTS_MAX: usize = 64;
/// Longest shown name, in characters.
const NAME_CHARS_MAX: usize = 80;

/// A person as administrators see it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Login name.
    pub person: PersonId,
    /// Shown name.
    pub name: String,
    /// Cannot sign in.
    pub disabled: bool,
    /// Has a password here.
    pub local: bool,
    /// Signs in at the identity provider.
    pub provider: bool,
    /// Second factor is on.
    pub second_factor: bool,
    /// Made.
    pub created: At,
    /// Last sign-in.
    pub signed_in: Option<At>,
    /// Rights.
    pub grants: Vec<Grant>,
}

impl Account {
    fn of(person: Person, grants: Vec<Grant>) -> Account {
        Account {
            name: person.name,
            disabled: person.disabled,
            local: person.password.is_some(),
            provider: person.issuer.is_some(),
            second_factor: person.totp_on,
            created: person.created,
            signed_in: person.signed_in,
            grants,
            person: person.id,
        }
    }
}

pub(super) fn shown_name(name: &str) -> Result<&str, PeopleError> {
    let name = name.trim();
    let sound = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
    match sound {
        true => Ok(name),
        false => Err(PeopleError::Impossible(format!("a name has 1 to {NAME_CHARS_MAX} characters"))),
    }
}

/// Inserts an account; `hash` is the PHC string, if it has a password.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    person: &PersonId,
    name: &str,
    hash: Option<&str>,
    must_change: bool,
    now: At,
) -> Result<(), PeopleError> {
    let all = count(&sqlx::query("SELECT COUNT(*) FROM people").fetch_one(&mut *connection).await?)?;
    if all >= PEOPLE_MAX {
        return Err(PeopleError::Impossible(format!("there are {PEOPLE_MAX} people already")));
    }
    let made = sqlx::query(
        "INSERT INTO people (person, name, password, password_us, must_change, totp_on, totp_step, disabled, created_us) \
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6) ON CONFLICT (person) DO NOTHING",
    )
    .bind(person.as_str())
    .bind(name)
    .bind(hash)
    .bind(now.micros())
    .bind(i64::from(must_change))
    .bind(now.micros())
    .execute(connection)
    .await?;
    match touched(&made) {
        1 => Ok(()),
        _ => Err(PeopleError::Impossible(format!("there is a {person} already"))),
    }
}

/// Replaces the grants given by `granted` (a person, or `group` for the identity provider's).
pub(super) async fn set_grants(
    connection: &mut AnyConnection,
    person: &PersonId,
    grants: &[Grant],
    granted: &str,
    now: At,
) -> Result<(), PeopleError> {
    let of_group = i64::from(granted == BY_GROUP);
    sqlx::query("DELETE FROM grants WHERE person = $1 AND (granted = 'group') = ($2 = 1)")
        .bind(person.as_str())
        .bind(of_group)
        .execute(&mut *connection)
        .await?;
    for grant in grants {
        sqlx::query(
            "INSERT INTO grants (person, role, org, domains, granted, granted_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
        )
        .bind(person.as_str())
        .bind(grant.role.name())
        .bind(grant.org.as_str())
        .bind(grant.domains.to_string())
        .bind(granted)
        .bind(now.micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Who granted: the identity provider's groups.
pub(super) const BY_GROUP: &str = "group";

impl People {
    /// Every account, by login name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn accounts(&self) -> Result<Vec<Account>, PeopleError> {
        let text = format!("SELECT {PERSON} FROM people p ORDER BY p.person");
        let people = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(self.store.reader()).await?;
        let rows = sqlx::query("SELECT person, role, org, domains FROM grants ORDER BY person, role, org")
            .fetch_all(self.store.reader())
            .await?;
        let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
        for row in &rows {
            if let Some(grant) = super::service::grant_of(row, 1)? {
                grants.entry(row.text(0)?).or_default().push(grant);
            }
        }
        let account = |row| -> Result<Account, PeopleError> {
            let person = person_of(row)?;
            let held = grants.get(person.id.as_str()).cloned().unwrap_or_default();
            Ok(Account::of(person, held))
        };
        people.iter().map(account).collect()
    }

    /// Makes an account with a one-time password, which is returned once.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn create(&self, actor: &Actor, id: &str, name: &str, now: At) -> Result<String, PeopleError> {
        let person = PersonId::parse(id).map_err(|e| PeopleError::Impossible(e.to_string()))?;
        if person == Actor::program().person || person == Actor::read_token().person {
            return Err(PeopleError::Impossible(format!("{person} is a name of the program itself")));
        }
        let name = shown_name(name)?;
        let password = secret::one_time_password();
        let hash = self.hashed(&password, &person).await?;
        let mut writing = self.store.begin().await?;
        insert(&mut writing, &person, name, Some(&hash), true, now).await?;
        changed(&mut writing).await?;
        audit::append(&mut writing, actor, "person.create", person.as_str(), &json!({ "name": name }), now).await?;
        writing.commit().await?;
        Ok(password)
    }

    /// Changes the shown name, or disables and enables.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn alter(
        &self,
        actor: &Actor,
        person: &PersonId,
        name: Option<&str>,
        disabled: Option<bool>,
        now: At,
    ) -> Result<(), PeopleError> {
        let known = self.person(person).await?.ok_or(PeopleError::NotFound("person"))?;
        let name = name.map(shown_name).transpose()?.unwrap_or(&known.name);
        let disabled = disabled.unwrap_or(known.disabled);
        if disabled && *person == actor.person {
            return Err(PeopleError::Forbidden("nobody disables themselves"));
        }
        let mut writing = self.store.begin().await?;
        sqlx::query("UPDATE people SET name = $1, disabled = $2 WHERE person = $3")
            .bind(name)
            .bind(i64::from(disabled))
            .bind(person.as_str())
            .execute(&mut *writing)
            .await?;
        if disabled {
            end_all(&mut writing, person, now).await?;
        }
        somebody_gives_rights(&mut writing).await?;
        changed(&mut writing).await?;
        let detail = json!({ "name": name, "disabled": disabled });
        audit::append(&mut writing, actor, "person.change", person.as_str(), &detail, now).await?;
        writing.commit().await?;
        Ok(self.look().await?)
    }

    /// Gives a new one-time password and ends all sessions; also takes the second factor off when asked.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn reset(&self, change: Reset<'_>) -> Result<String, PeopleError> {
        let Reset { actor, person, second_factor, now } = change;
        self.person(person).await?.ok_or(PeopleError::NotFound("person"))?;
        if *person == actor.person {
            return Err(PeopleError::Forbidden("change your own password under your own name"));
        }
        let password = secret::one_time_password();
        let hash = self.hashed(&password, person).await?;
        let mut writing = self.store.begin().await?;
        sqlx::query("UPDATE people SET password = $1, password_us = $2, must_change = 1 WHERE person = $3")
            .bind(hash)
            .bind(now.micros())
            .bind(person.as_str())
            .execute(&mut *writing)
            .await?;
        if second_factor {
            super::second_factor::take_off(&mut writing, person).await?;
        }
        end_all(&mut writing, person, now).await?;
        changed(&mut writing).await?;
        let detail = json!({ "second_factor": second_factor });
        audit::append(&mut writing, actor, "person.reset", person.as_str(), &detail, now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(password)
    }

    /// Replaces what another person may do. The giver needs the right at every place concerned.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn grant(&self, actor: &Actor, person: &PersonId, grants: &[Grant], now: At) -> Result<(), PeopleError> {
        let before = self.granted_here(person).await?;
        if *person == actor.person {
            return Err(PeopleError::Forbidden("nobody changes their own rights"));
        }
        if grants.len() > GRANTS_MAX {
            return Err(PeopleError::Impossible(format!("at most {GRANTS_MAX} grants")));
        }
        if let Some(why) = self.policy.conflict(grants) {
            return Err(PeopleError::Impossible(why.to_owned()));
        }
        for grant in grants.iter().chain(&before) {
            if authorize(actor, Action::GrantRights, Domain::System, &grant.org).is_err() {
                return Err(PeopleError::Forbidden("a right of another organisation"));
            }
        }
        let mut writing = self.store.begin().await?;
        set_grants(&mut writing, person, grants, actor.person.as_str(), now).await?;
        somebody_gives_rights(&mut writing).await?;
        changed(&mut writing).await?;
        let detail = json!({ "before": before, "after": grants });
        audit::append(&mut writing, actor, "person.grant", person.as_str(), &detail, now).await?;
        writing.commit().await?;
        Ok(self.look().await?)
    }

    async fn granted_here(&self, person: &PersonId) -> Result<Vec<Grant>, PeopleError> {
        self.person(person).await?.ok_or(PeopleError::NotFound("person"))?;
        let rows = sqlx::query("SELECT role, org, domains FROM grants WHERE person = $1 AND granted <> 'group'")
            .bind(person.as_str())
            .fetch_all(self.store.reader())
            .await?;
        let grants = rows.iter().map(|row| super::service::grant_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(grants.into_iter().flatten().collect())
    }
}

/// A reset of another person's account.
#[derive(Debug)]
pub struct Reset<'a> {
    /// Who resets.
    pub actor: &'a Actor,
    /// Whose.
    pub person: &'a PersonId,
    /// Takes the second factor off, too.
    pub second_factor: bool,
    /// Now.
    pub now: At,
}

/// Ends every session and token of a person.
pub(super) async fn end_all(connection: &mut AnyConnection, person: &PersonId, now: At) -> Result<(), PeopleError> {
    sqlx::query("DELETE FROM sessions WHERE person = $1").bind(person.as_str()).execute(&mut *connection).await?;
    sqlx::query("UPDATE api_tokens SET revoked_us = $1 WHERE person = $2 AND revoked_us IS NULL")
        .bind(now.micros())
        .bind(person.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Refuses a change after which nobody could give rights any more.
async fn somebody_gives_rights(connection: &mut AnyConnection) -> Result<(), PeopleError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM grants g JOIN people p ON p.person = g.person WHERE p.disabled = 0 \
         AND g.org = '/' AND g.domains = '*' AND g.role IN ('administrator', 'security_admin')",
    )
    .fetch_one(connection)
    .await?;
    match count(&row)? {
        0 => Err(PeopleError::Impossible("somebody must remain who can give rights everywhere".to_owned())),
        _ => Ok(()),
    }
}

/// The first people, in the set-up's transaction.
pub(super) async fn found(
    connection: &mut AnyConnection,
    person: &PersonId,
    name: &str,
    hash: &str,
    role: Role,
    now: At,
) -> Result<(), PeopleError> {
    insert(connection, person, name, Some(hash), false, now).await?;
    let grant = Grant { role, org: OrgPath::root(), domains: super::Domains::All };
    set_grants(connection, person, &[grant], "set-up", now).await
}

/// The set-up as an actor.
pub(super) fn set_up() -> Actor {
    Actor { via: Via::SetUp, ..Actor::program() }
}
