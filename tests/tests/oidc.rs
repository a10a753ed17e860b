//! Signing in at an identity provider, with a stand-in that signs for real and can lie.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::idp::{Idp, SECRET, Signing};
use minewatch_tests::people::{PASSWORD, Visitor, found};
use minewatch_tests::process::scratch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A browser at the provider: what our address told it, and the cookie it keeps.
struct Asked {
    parts: BTreeMap<String, String>,
    cookie: String,
}

async fn asked(stranger: &Visitor) -> Result<Asked> {
    let answer = stranger.ask("GET", "/api/v1/oidc/start", None).await?;
    ensure!(answer.status == 303, "{answer:?}");
    let location = answer.location.context("a location")?;
    let query = location.split_once('?').with_context(|| format!("a query in {location}"))?.1;
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let parts = query.split('&').filter_map(pair).collect();
    let cookie = answer.cookie.context("a cookie")?.split(';').next().unwrap_or_default().to_owned();
    Ok(Asked { parts, cookie })
}

impl Asked {
    fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str)
    }

    fn claims(&self, idp: &Idp) -> Result<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(json!({ "iss": idp.issuer(), "aud": "minewatch", "exp": now + 300, "iat": now, "nonce": self.part("nonce"),
            "sub": "u-7", "preferred_username": "Li.Wei@mine.example", "name": "李伟", "groups": ["dam-operators"] }))
    }

    /// Comes back with a code; where the browser lands, and the session's cookie when there is one.
    async fn back(&self, stranger: &Visitor, cookie: &str) -> Result<(String, Option<String>)> {
        let path = format!("/api/v1/oidc/callback?code=c-1&state={}", self.part("state"));
        let answer = stranger.with("cookie", cookie).ask("GET", &path, None).await?;
        ensure!(answer.status == 303, "{answer:?}");
        let session = answer.cookie.filter(|cookie| !cookie.contains("-oidc="));
        Ok((answer.location.context("a location")?, session))
    }
}

async fn begun(folder: &Path, idp: &Idp) -> Result<Aggregator> {
    let secret = folder.join("client-secret");
    std::fs::write(&secret, format!("{SECRET}\n"))?;
    let more = format!(
        "\n[oidc]\nissuer = \"{}\"\nclient_id = \"minewatch\"\nclient_secret_file = \"{}\"\n\
         allow_networks = [\"127.0.0.0/8\"]\n\n[[oidc.group]]\nname = \"dam-operators\"\n\
         role = \"operator\"\norg = \"group/company/mine\"\ndomains = [\"dam\"]\n",
        idp.issuer(),
        secret.display()
    );
    let http = "public_url = \"http://hq.example\"\n".to_owned();
    Aggregator::start(folder, &Setup { more, http, ..Setup::default() }).await
}

/// The first administrator; the browser's origin is the public address.
async fn chief(aggregator: &Aggregator, stranger: &Visitor) -> Result<Visitor> {
    let refused = found(aggregator).await;
    ensure!(refused.is_err(), "a page of another origin signs nobody in");
    let ours = stranger.with("origin", "http://hq.example");
    let body = json!({ "person": "chief", "password": PASSWORD });
    let answer = ours.ask("POST", "/api/v1/sign-in", Some(body)).await?;
    ensure!(answer.status == 204, "local accounts stay: {answer:?}");
    Ok(ours.with("cookie", &minewatch_tests::people::session(&answer)?))
}

/// Every lie is refused by its name.
async fn lies(stranger: &Visitor, idp: &Idp) -> Result<()> {
    let told: [(&str, Value, Signing, &str); 9] = [
        ("iss", json!("http://evil.example"), Signing::Rs256, "issuer"),
        ("aud", json!("other"), Signing::Es256, "audience"),
        ("exp", json!(1_000_000), Signing::Rs256, "time"),
        ("nonce", json!("another"), Signing::Es256, "nonce"),
        ("groups", json!(["visitors"]), Signing::Rs256, "no_rights"),
        ("preferred_username", json!("chief"), Signing::Rs256, "name_taken"),
        ("name", json!("x"), Signing::None, "algorithm"),
        ("name", json!("x"), Signing::Hs256, "algorithm"),
        ("name", json!("x"), Signing::Stranger, "signature"),
    ];
    for (claim, lie, signing, why) in told {
        let asked = asked(stranger).await?;
        let mut claims = asked.claims(idp)?;
        claims[claim] = lie;
        idp.next(asked.part("code_challenge"), claims, signing);
        let landed = asked.back(stranger, &asked.cookie).await?;
        ensure!(landed == (format!("/?sign_in={why}"), None), "{claim} {signing:?}: {landed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_sound_answer_of_the_provider_opens_a_session() -> Result<()> {
    let folder = scratch("oidc")?;
    let idp = Idp::start(&folder).await?;
    let aggregator = begun(&folder, &idp).await?;
    let stranger = Visitor::stranger(aggregator.api());
    let chief = chief(&aggregator, &stranger).await?;
    ensure!(stranger.done("GET", "/api/v1/sign-in", None).await?["provider"] == json!(true));

    lies(&stranger, &idp).await?;
    let refused = |landed: &(String, Option<String>), why: &str| *landed == (format!("/?sign_in={why}"), None);
    let first = asked(&stranger).await?;
    ensure!(first.part("code_challenge_method") == "S256" && first.part("tenant") == "1");
    ensure!(first.part("redirect_uri") == "http%3A%2F%2Fhq.example%2Fapi%2Fv1%2Foidc%2Fcallback", "{:?}", first.parts);
    idp.next(first.part("code_challenge"), first.claims(&idp)?, Signing::Rs256);
    let stolen = first.back(&stranger, "minewatch-oidc=stolen").await?;
    ensure!(refused(&stolen, "unasked"), "another browser brings the answer: {stolen:?}");
    idp.next("another-challenge", first.claims(&idp)?, Signing::Rs256);
    let unproved = first.back(&stranger, &first.cookie).await?;
    ensure!(refused(&unproved, "declined"), "PKCE does not fit: {unproved:?}");
    let replayed = first.back(&stranger, &first.cookie).await?;
    ensure!(refused(&replayed, "unasked"), "a state counts once, also after a failure: {replayed:?}");

    for signing in [Signing::Rs256, Signing::Es256] {
        let asked = asked(&stranger).await?;
        idp.next(asked.part("code_challenge"), asked.claims(&idp)?, signing);
        let (landed, cookie) = asked.back(&stranger, &asked.cookie).await?;
        ensure!(landed == "/", "a sound answer: {landed}");
        let cookie = cookie.context("a session")?.split(';').next().unwrap_or_default().to_owned();
        let me = stranger.with("cookie", &cookie).done("GET", "/api/v1/me", None).await?;
        ensure!(
            (&me["person"], &me["name"], &me["local"]) == (&json!("li.wei"), &json!("李伟"), &json!(false)),
            "{me}"
        );
        let grants = json!([{ "role": "operator", "org": "group/company/mine", "domains": ["dam"] }]);
        ensure!(me["grants"] == grants, "{me}");
        idp.next(asked.part("code_challenge"), asked.claims(&idp)?, signing);
        let again = asked.back(&stranger, &asked.cookie).await?;
        ensure!(refused(&again, "unasked"), "an answer counts once: {again:?}");
        let ours = stranger.with("cookie", &cookie).with("origin", "http://hq.example");
        let out = ours.done("POST", "/api/v1/sign-out", None).await?;
        let location = out["location"].as_str().unwrap_or_default();
        ensure!(location.starts_with(&format!("{}/end?client_id=minewatch", idp.issuer())), "{out}");
        ensure!(ours.ask("GET", "/api/v1/me", None).await?.status == 401, "signed out here as well");
    }
    let audit = chief.done("GET", "/api/v1/audit", None).await?.to_string();
    for told in ["identity provider: nonce", "identity provider: algorithm", "person.create", "person.grant"] {
        ensure!(audit.contains(told), "{told} in {audit}");
    }
    drop(idp);
    let still = stranger
        .with("origin", "http://hq.example")
        .ask("POST", "/api/v1/sign-in", Some(json!({ "person": "chief", "password": PASSWORD })))
        .await?;
    ensure!(still.status == 204, "local administrators sign in without the provider");
    Ok(())
}
