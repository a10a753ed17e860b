//! The gate in front of every handler: who is it, may it come in, did the browser mean it.
//!
//! Invariant: a handler of `/api` or `/metrics` runs only for what the table of doors lets in. A
//! request that changes something with a cookie must come from our own pages.

use super::access::{Need, known, need};
use super::{Api, Problem, body};
use crate::clock;
use crate::people::policy::{Must, Policy};
use crate::people::{Credential, Identity, Peer, People, secret};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};

/// The other end of the connection; the server puts it into each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Polling by an open page, not a sign of life of a person.
const BACKGROUND: &str = "x-minewatch-background";

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Identity, StatusCode> {
        parts.extensions.get::<Identity>().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Peer, StatusCode> {
        Ok(parts.extensions.get::<Peer>().cloned().unwrap_or_default())
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The value of our cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE);
    let mut pairs = all.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The caller's address: the connection's, or what the configured proxy says about it.
pub(crate) fn peer(headers: &HeaderMap, remote: Option<IpAddr>, policy: &Policy) -> Peer {
    let said = || text(headers, "x-forwarded-for").and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    let address = match remote {
        Some(remote) if policy.proxy == Some(remote) => said().or(Some(remote)),
        other => other,
    };
    Peer {
        address: address.map_or_else(|| "unknown".to_owned(), |address: IpAddr| address.to_string()),
        agent: text(headers, header::USER_AGENT).unwrap_or_default().to_owned(),
    }
}

/// What the request shows. A bearer token goes before a cookie: a program says so on purpose.
fn shown(api: &Api, headers: &HeaderMap) -> Option<Credential> {
    if let Some(value) = text(headers, header::AUTHORIZATION) {
        let bearer = value.strip_prefix("Bearer ")?;
        let read = api.token.as_deref().is_some_and(|token| secret::same(bearer, token));
        return Some(if read { Credential::ReadToken } else { People::token(bearer) });
    }
    cookie(headers, api.people.policy().cookie()).map(People::session)
}

/// The host a request names: HTTP/1.1 in its header, HTTP/2 in the address itself.
fn host(request: &Request) -> &str {
    text(request.headers(), header::HOST).or_else(|| Some(request.uri().authority()?.as_str())).unwrap_or_default()
}

/// Whether a changing request comes from our own pages: browsers say so in one of two headers.
fn from_our_pages(headers: &HeaderMap, host: &str, policy: &Policy) -> bool {
    if text(headers, "sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(headers, header::ORIGIN) else {
        return text(headers, "sec-fetch-site") == Some("same-origin");
    };
    match &policy.public_url {
        Some(ours) => origin == ours,
        None => origin.split_once("://").is_some_and(|(_, of)| !host.is_empty() && of == host),
    }
}

fn unauthorized(api: &Api, headers: &HeaderMap) -> Response {
    let message = "sign in, or show a token: Authorization: Bearer ...".to_owned();
    let problem = Problem { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message };
    let mut response = ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response();
    if cookie(headers, api.people.policy().cookie()).is_some()
        && let Ok(gone) = super::sign_in::gone(api.people.policy()).parse()
    {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    response
}

fn closed(identity: &Identity, wanted: Need) -> Option<Problem> {
    let problem = |code: &'static str, message: &str| {
        Some(Problem { status: StatusCode::FORBIDDEN, code, message: message.to_owned() })
    };
    match (wanted, identity.must) {
        (Need::Public | Need::SignedIn, _) => None,
        (Need::One(_), Some(Must::ChangePassword)) => problem("must_change_password", "change the password first"),
        (Need::One(_), Some(Must::EnrolSecondFactor)) => {
            problem("must_enrol_second_factor", "enrol a second factor first")
        }
        (Need::One(actions), None) => {
            let may = actions.iter().any(|action| identity.actor.may_somewhere(*action));
            if may { None } else { problem("forbidden", "not allowed") }
        }
    }
}

/// Runs the handler, once the body of what changes something is there.
async fn handled(request: Request, next: Next, changes: bool, path: &str) -> Response {
    if !changes {
        return next.run(request).await;
    }
    match body::whole(request, body::Bound::of(path)).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Runs before every handler.
pub(super) async fn gate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let policy = api.people.policy();
    let remote = request.extensions().get::<Remote>().map(|remote| remote.0.ip());
    let peer = peer(request.headers(), remote, policy);
    request.extensions_mut().insert(peer);
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let Some(path) = path else {
        // Files of the console hold nothing secret; the page asks for everything else.
        return match *request.method() {
            Method::GET | Method::HEAD => next.run(request).await,
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        };
    };
    let method = request.method().clone();
    let changes = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    let wanted = need(method.as_str(), &path);
    let credential = shown(&api, request.headers());
    let by_browser = request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site");
    let by_cookie = matches!(credential, Some(Credential::Session(_)));
    let told = by_cookie || (by_browser && credential.is_none());
    if changes && told && !from_our_pages(request.headers(), host(&request), policy) {
        let message = "this request does not come from our own pages".to_owned();
        return Problem { status: StatusCode::FORBIDDEN, code: "cross_site", message }.into_response();
    }
    if wanted == Some(Need::Public) {
        return handled(request, next, changes, &path).await;
    }
    let Some(credential) = credential else { return unauthorized(&api, request.headers()) };
    let background = request.headers().contains_key(BACKGROUND);
    let identity = match api.people.identify(&credential, clock::now(), background).await {
        Ok(Some(identity)) => identity,
        Ok(None) => return unauthorized(&api, request.headers()),
        Err(error) => return Problem::from(error).into_response(),
    };
    let Some(wanted) = wanted else {
        return match known(&path) {
            true => StatusCode::METHOD_NOT_ALLOWED.into_response(),
            false => Problem::not_found("route").into_response(),
        };
    };
    if let Some(problem) = closed(&identity, wanted) {
        return problem.into_response();
    }
    request.extensions_mut().insert(identity.actor.clone());
    request.extensions_mut().insert(identity);
    handled(request, next, changes, &path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn only_our_own_pages_may_change_something_with_a_cookie() {
        let host = "mine.example:18080";
        for (said, ours) in [
            (&[("origin", "http://mine.example:18080")][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://mine.example:18080"), ("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://mine.example")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "http://mine.example:18080"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(from_our_pages(&headers(said), host, &Policy::default()), ours, "{said:?}");
        }
        assert!(!from_our_pages(&headers(&[("origin", "http://")]), "", &Policy::default()), "no host is nobody's");
        let asked = |uri: &str| Request::builder().uri(uri).body(axum::body::Body::empty()).expect("a request");
        assert_eq!(super::host(&asked("https://mine.example:8443/api/v1/setup")), "mine.example:8443", "HTTP/2");
        assert_eq!(super::host(&asked("/api/v1/setup")), "");
        let policy = Policy { public_url: Some("https://mine.example".to_owned()), ..Policy::default() };
        assert!(from_our_pages(&headers(&[("origin", "https://mine.example")]), host, &policy));
        assert!(!from_our_pages(&headers(&[("origin", "http://mine.example:18080")]), host, &policy));
    }

    #[test]
    fn our_cookie_is_found_among_others_and_not_in_their_names() {
        let jar = headers(&[("cookie", "a=1; xminewatch=2; minewatch=right; b=3")]);
        assert_eq!(cookie(&jar, "minewatch"), Some("right"));
        assert_eq!(cookie(&jar, "__Host-minewatch"), None);
    }

    #[test]
    fn only_the_configured_proxy_is_believed_about_the_caller() {
        let said = headers(&[("x-forwarded-for", "6.6.6.6, 10.0.0.9")]);
        let (proxy, stranger): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let policy = Policy { proxy: Some(proxy), ..Policy::default() };
        assert_eq!(peer(&said, Some(proxy), &policy).address, "10.0.0.9");
        assert_eq!(peer(&said, Some(stranger), &policy).address, "10.0.0.2");
        assert_eq!(peer(&said, Some(proxy), &Policy::default()).address, "127.0.0.1");
    }
}
