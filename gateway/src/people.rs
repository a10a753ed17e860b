//! Who may act at the site's own page: login names and argon2id hashes in a file of mode 0600.
//!
//! Invariant: a password leaves this file only as a PHC string; checking costs the same whether the
//! name is known or not. These accounts work without headquarters and are not its accounts: what they
//! do is written as `name@gateway`.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use minewatch_domain::PersonId;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// People of one site; a mine has a few dozen who may act.
const USERS_MAX: usize = 200;
/// Largest file read.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Shortest and longest password.
const PASSWORD_CHARS_MIN: usize = 12;
const PASSWORD_BYTES_MAX: usize = 256;

/// Names and their PHC strings.
pub type Users = BTreeMap<String, String>;

/// Reads the file; one that is not there has nobody.
///
/// # Errors
/// Which line is wrong, or why it cannot be read.
pub fn read(file: &Path) -> Result<Users, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    match std::fs::metadata(file) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => return Err(told(&"larger than any list of users")),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Users::new()),
        Err(error) => return Err(told(&error)),
    }
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    let mut users = Users::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = format!("{}:{}", file.display(), number + 1);
        let (name, hash) = line.split_once(':').ok_or_else(|| format!("{place}: not name:hash"))?;
        PersonId::parse(name).map_err(|error| format!("{place}: {error}"))?;
        PasswordHash::new(hash).map_err(|error| format!("{place}: not an argon2 hash: {error}"))?;
        users.insert(name.to_owned(), hash.to_owned());
    }
    Ok(users)
}

fn write(file: &Path, users: &Users) -> std::io::Result<()> {
    let part = file.with_extension("part");
    let _ = std::fs::remove_file(&part);
    let mut opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    for (name, hash) in users {
        writeln!(opened, "{name}:{hash}")?;
    }
    opened.sync_all()?;
    std::fs::rename(&part, file)
}

/// Adds a person or changes the password.
///
/// # Errors
/// A sentence: the name, the password or the file.
pub fn set(file: &Path, name: &str, password: &str) -> Result<(), String> {
    PersonId::parse(name).map_err(|error| error.to_string())?;
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("a password has {PASSWORD_CHARS_MIN} characters to {PASSWORD_BYTES_MAX} bytes"));
    }
    let mut users = read(file)?;
    if users.len() >= USERS_MAX && !users.contains_key(name) {
        return Err(format!("there are {USERS_MAX} people already"));
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| error.to_string())?;
    users.insert(name.to_owned(), hash.to_string());
    write(file, &users).map_err(|error| format!("{}: {error}", file.display()))
}

/// Takes a person away.
///
/// # Errors
/// A sentence: nobody of that name, or the file.
pub fn remove(file: &Path, name: &str) -> Result<(), String> {
    let mut users = read(file)?;
    users.remove(name).ok_or_else(|| format!("{}: nobody is called {name:?}", file.display()))?;
    write(file, &users).map_err(|error| format!("{}: {error}", file.display()))
}

/// Whether this is the password of that name. Slow on purpose: call it off the runtime.
pub fn verify(users: &Users, name: &str, password: &str) -> bool {
    // Of a password nobody has: an unknown name takes the same time.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWluZXdhdGNoLW5vYm9keQ$\
        k4pYvA1nq3mTQ0tqz9oQh0c4bq2J8yB2l0mJrJ0wq1s";
    let stored = users.get(name);
    let Ok(parsed) = PasswordHash::new(stored.map_or(NOBODY, String::as_str)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn people_are_kept_as_hashes_in_a_file_of_their_own() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("users");
        assert_eq!(read(&file), Ok(Users::new()), "nobody yet");
        set(&file, "li.wei", "correct horse battery").expect("set");
        set(&file, "wang", "another long password").expect("set");
        assert!(set(&file, "Li Wei", "correct horse battery").is_err());
        assert!(set(&file, "zhao", "short").is_err());
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(!text.contains("horse") && text.contains("$argon2id$"), "{text}");
        let users = read(&file).expect("read");
        assert!(verify(&users, "li.wei", "correct horse battery"));
        assert!(!verify(&users, "li.wei", "another long password"));
        assert!(!verify(&users, "nobody", "correct horse battery"));
        remove(&file, "wang").expect("removed");
        assert!(remove(&file, "wang").is_err());
        assert_eq!(read(&file).expect("read").len(), 1);
        std::fs::write(&file, "li.wei:plain\n").expect("written");
        assert!(read(&file).expect_err("no hash").contains("users:1"));
    }
}
