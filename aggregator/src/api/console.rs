//! The console: files built by npm and embedded; without them a page that says so.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Files;

const NOT_BUILT: &str = "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><title>Minewatch</title>\
    <h1>控制台尚未构建</h1><p>数据接口可用：<a href=\"/api/v1/gateways\">/api/v1/gateways</a>。请在 aggregator/console 中构建控制台后重新编译。</p>\
    <div lang=\"en\"><h1>The console is not built</h1><p>The data interface works: <a href=\"/api/v1/gateways\">/api/v1/gateways</a>. \
    Build the console in aggregator/console and compile again.</p></div></html>";

fn file(path: &str) -> Option<Response> {
    let found = Files::get(path)?;
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    // Files under assets/ carry a hash in their name.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, kind.to_string()), (header::CACHE_CONTROL, cache.to_owned())];
    Some((headers, found.data).into_response())
}

/// A file of the console; any other path without a dot is the console itself.
pub(super) async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(found) = file(path) {
        return found;
    }
    if path.rsplit('/').next().is_some_and(|last| last.contains('.')) {
        return StatusCode::NOT_FOUND.into_response();
    }
    file("index.html").unwrap_or_else(|| axum::response::Html(NOT_BUILT).into_response())
}
