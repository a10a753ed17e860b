//! The first start: no default password, but a single-use token in a file only its owner reads.
//!
//! Invariant: the set-up works once, while there is nobody; the check and the first accounts are
//! one transaction, so that two aggregators make one set of first people.

use super::accounts::{found, set_up, shown_name};
use super::service::{People, PeopleError, changed, count};
use super::{Role, secret};
use crate::audit;
use crate::store::StoreError;
use minewatch_domain::{At, PersonId};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// One of the first people.
#[derive(Debug, Clone)]
pub struct Founder {
    /// Login name.
    pub person: String,
    /// Shown name.
    pub name: String,
    /// Password.
    pub password: String,
    /// One of the roles the rules want for the first people.
    pub role: Role,
}

/// Writes a secret into a new file with mode 0600.
pub(crate) fn write_secret(file: &Path, text: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    opened.write_all(text)?;
    opened.sync_all()
}

impl People {
    /// While there is nobody: makes the token, writes it to its file and says where it is.
    ///
    /// # Errors
    /// When the store does not answer or the file cannot be written.
    pub async fn offer_setup(&self) -> Result<(), StoreError> {
        if !self.nobody().await? {
            return Ok(());
        }
        let token = secret::random();
        let file = &self.policy.setup_token_file;
        write_secret(file, format!("{token}\n").as_bytes())?;
        *self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(secret::digest(&token));
        tracing::warn!(file = %file.display(), "nobody can sign in yet: open the console and give the set-up token in this file");
        Ok(())
    }

    /// Makes the first people.
    ///
    /// # Errors
    /// [`PeopleError::Wrong`] without the token or when there is somebody already.
    pub async fn set_up(&self, token: &str, founders: &[Founder], now: At) -> Result<(), PeopleError> {
        let offered = self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if !offered.is_some_and(|offered| secret::same(&offered, &secret::digest(token))) {
            return Err(PeopleError::Wrong);
        }
        let mut roles: Vec<Role> = founders.iter().map(|founder| founder.role).collect();
        roles.sort();
        if roles != self.policy.first_roles() {
            let wanted: Vec<&str> = self.policy.first_roles().iter().map(|role| role.name()).collect();
            return Err(PeopleError::Impossible(format!("the first people are one each of: {}", wanted.join(", "))));
        }
        let mut ready = Vec::new();
        for founder in founders {
            let person = PersonId::parse(&founder.person).map_err(|e| PeopleError::Impossible(e.to_string()))?;
            let hash = self.hashed(&founder.password, &person).await?;
            ready.push((person, shown_name(&founder.name)?, hash, founder.role));
        }
        let mut writing = self.store.begin().await?;
        // Takes the head row, and so waits for another aggregator's set-up, before looking.
        let people: Vec<&str> = ready.iter().map(|(person, ..)| person.as_str()).collect();
        audit::append(&mut writing, &set_up(), "setup", "minewatch", &json!({ "people": people }), now).await?;
        if count(&sqlx::query("SELECT COUNT(*) FROM people").fetch_one(&mut *writing).await?)? != 0 {
            return Err(PeopleError::Wrong);
        }
        for (person, name, hash, role) in &ready {
            found(&mut writing, person, name, hash, *role, now).await?;
        }
        changed(&mut writing).await?;
        writing.commit().await?;
        *self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        if let Err(error) = std::fs::remove_file(&self.policy.setup_token_file) {
            tracing::warn!(error = %error, "the used set-up token could not be removed; it is worthless now");
        }
        Ok(())
    }

    /// Whether the set-up waits for its token.
    pub fn setup_offered(&self) -> bool {
        self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }
}
