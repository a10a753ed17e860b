//! The `[oidc]` section, collecting every problem.

use super::Provider;
use crate::notify::guard::{Guard, net};
use crate::people::{Domains, Grant, Role};
use minewatch_domain::OrgPath;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use url::Url;

/// Groups of one table; a provider's list is longer, but only these count.
const GROUPS_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    groups_claim: Option<String>,
    #[serde(default)]
    allow_networks: Vec<String>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    group: Vec<RawGroup>,
}

/// What members of a group of the provider may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    role: String,
    org: String,
    domains: Vec<String>,
}

fn grant(n: usize, raw: &RawGroup, problems: &mut Vec<String>) -> Option<Grant> {
    let place = format!("oidc.group[{n}] {:?}", raw.name);
    let role = Role::from_name(&raw.role);
    let org = OrgPath::parse(&raw.org).ok();
    let domains = Domains::parse(&raw.domains.join(","));
    if role.is_none() {
        problems.push(format!("{place}: role {:?} is no role", raw.role));
    }
    if org.is_none() {
        problems.push(format!("{place}: org {:?} must be / or group/company/...", raw.org));
    }
    if domains.is_none() {
        problems.push(format!("{place}: domains {:?} must be [\"*\"] or domains such as \"dam\"", raw.domains));
    }
    Some(Grant { role: role?, org: org?, domains: domains? })
}

fn read(key: &str, file: Option<&Path>, problems: &mut Vec<String>) -> Option<Vec<u8>> {
    let file = file?;
    std::fs::read(file).map_err(|error| problems.push(format!("{key}: {}: {error}", file.display()))).ok()
}

/// Reads the section. `home`: our own public address.
pub fn parse(table: Option<toml::Table>, home: Option<&str>, problems: &mut Vec<String>) -> Option<Provider> {
    let raw: Raw = match table?.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("oidc: {}", error.to_string().trim()));
            return None;
        }
    };
    let mut allow = Vec::new();
    for text in &raw.allow_networks {
        match net(text) {
            Some(net) => allow.push(net),
            None => problems.push(format!("oidc.allow_networks: {text:?} is not a network such as 10.20.0.0/16")),
        }
    }
    let guard = Guard { allow: allow.clone() };
    match Url::parse(&raw.issuer).map_err(|error| error.to_string()).and_then(|url| guard.url(&url)) {
        Ok(()) => {}
        Err(why) => problems.push(format!("oidc.issuer: {:?}: {why}", raw.issuer)),
    }
    let Some(home) = home else {
        problems.push("oidc: http.public_url is needed, for the provider sends browsers back to it".to_owned());
        return None;
    };
    if raw.group.is_empty() || raw.group.len() > GROUPS_MAX {
        problems.push(format!("oidc.group: 1 to {GROUPS_MAX} groups are needed; without one nobody may do anything"));
    }
    let groups = raw.group.iter().enumerate();
    let groups = groups.filter_map(|(n, group)| Some((group.name.clone(), grant(n, group, problems)?))).collect();
    let secret = read("oidc.client_secret_file", raw.client_secret_file.as_deref(), problems);
    Some(Provider {
        issuer: raw.issuer,
        client: raw.client_id,
        secret: secret.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()),
        home: home.to_owned(),
        groups_claim: raw.groups_claim.unwrap_or_else(|| "groups".to_owned()),
        groups,
        allow,
        ca: read("oidc.ca_file", raw.ca_file.as_deref(), problems),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, home: Option<&str>) -> (Option<Provider>, Vec<String>) {
        let mut problems = Vec::new();
        (parse(Some(text.parse().expect("toml")), home, &mut problems), problems)
    }

    const GROUP: &str = "[[group]]\nname = 'ops'\nrole = 'operator'\norg = 'g/c/m'\ndomains = ['dam', 'link']\n";

    #[test]
    fn a_group_is_a_role_on_a_part_of_the_organisation() {
        let text = format!("issuer = 'https://idp.example/realms/m'\nclient_id = 'mw'\n{GROUP}");
        let (provider, problems) = parsed(&text, Some("https://hq.example"));
        assert_eq!(problems, Vec::<String>::new());
        let provider = provider.expect("a provider");
        let grants = provider.grants(&["ops".to_owned(), "else".to_owned()]);
        assert_eq!(grants.len(), 1);
        assert_eq!((grants[0].role, grants[0].org.as_str()), (Role::Operator, "g/c/m"));
        assert!(provider.grants(&["else".to_owned()]).is_empty());
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let text = "issuer = 'http://10.0.0.1/'\nclient_id = 'mw'\nallow_networks = ['x']\nclient_secret_file = '/none'\n\
                    [[group]]\nname = 'a'\nrole = 'king'\norg = '../x'\ndomains = ['moon']\n";
        let (_, problems) = parsed(text, Some("https://hq.example"));
        for place in [
            "oidc.allow_networks",
            "oidc.issuer",
            "oidc.client_secret_file",
            "oidc.group[0] \"a\": role",
            "oidc.group[0] \"a\": org",
            "oidc.group[0] \"a\": domains",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place}: {problems:#?}");
        }
        let (provider, problems) = parsed(&format!("issuer = 'https://i.example'\nclient_id = 'mw'\n{GROUP}"), None);
        assert!(provider.is_none() && problems[0].contains("http.public_url"), "{problems:?}");
        let (provider, problems) = parsed("issuer = 'https://i.example'\nclientid = 'mw'\n", None);
        assert!(provider.is_none() && problems[0].starts_with("oidc: "), "{problems:?}");
    }
}
