//! The local page, metrics and health. Loopback by default (the configuration check refuses
//! another address without saying so on purpose). Everything is read only but what `act` does for
//! people with a local account.

mod act;
mod session;

pub use act::Desk;

use crate::clock;
use crate::modbus::BusCounts;
use crate::run::Counters;
use crate::site::{Inbox, Snapshot};
use crate::spool::{SpoolHealth, SpoolView};
use crate::uplink::{LinkState, UplinkView};
use crate::vision::VisionView;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minewatch_dam::proof::{Language, Proof, View};
use minewatch_domain::At;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// What the page shows from.
pub struct Page {
    /// Spool state.
    pub spool: watch::Receiver<SpoolView>,
    /// Link state.
    pub link: watch::Receiver<UplinkView>,
    /// Vision process.
    pub vision: watch::Receiver<VisionView>,
    /// Bus counters.
    pub counters: Counters,
    /// To the site task.
    pub requests: mpsc::Sender<Inbox>,
    /// Process start.
    pub started: At,
    /// Where people act.
    pub desk: Desk,
    /// The certificate shown to the broker; its end is a metric.
    pub certificate: Option<std::path::PathBuf>,
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, page: Page, stop: CancellationToken) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/", get(local_page))
        .route("/api/local", get(local_json))
        .route("/why/{alarm}", get(why))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(act::routes())
        .with_state(Arc::new(page));
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await?;
    Ok(())
}

async fn snapshot(page: &Page) -> Result<Snapshot, StatusCode> {
    let (reply, answer) = oneshot::channel();
    page.requests.try_send(Inbox::Snapshot(reply)).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    answer.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn ready(State(page): State<Arc<Page>>) -> (StatusCode, &'static str) {
    match page.spool.borrow().health {
        SpoolHealth::Ok | SpoolHealth::Full => (StatusCode::OK, "ready\n"),
        SpoolHealth::DiskFull | SpoolHealth::Broken(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "spool does not take records\n")
        }
    }
}

fn link_name(state: LinkState) -> &'static str {
    match state {
        LinkState::Down => "down",
        LinkState::AwaitingStore => "awaiting_store",
        LinkState::Up => "up",
    }
}

async fn local_json(State(page): State<Arc<Page>>) -> Result<Response, StatusCode> {
    let shown = snapshot(&page).await?;
    let (spool, link) = (page.spool.borrow().clone(), page.link.borrow().clone());
    let vision = page.vision.borrow().clone();
    let body = serde_json::json!({
        "gateway": shown.config.gateway, "config": shown.config.hash.hex(), "now_us": clock::wall().micros(),
        "link": {
            "state": link_name(link.state), "since_us": link.since.micros(), "losses": link.losses, "unacked": spool.unacked,
            "batches": link.batches, "acked_records": link.acked_records, "refused": link.refused, "last_error": link.last_error,
        },
        "spool": {
            "epoch": spool.epoch, "next_alarm": spool.next_alarm, "next_routine": spool.next_routine,
            "held_bytes": spool.held_bytes, "lost_records": spool.lost_records, "health": format!("{:?}", spool.health),
        },
        "vision": { "up": vision.up, "restarts": vision.restarts, "resident_bytes": vision.resident_bytes },
        "forecasts": shown.forecasts,
        "sirens": shown.sirens.iter().map(|(id, on)| serde_json::json!({ "id": id, "on": on })).collect::<Vec<_>>(),
        "alarms": shown.alarms, "latest": shown.latest,
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response())
}

/// How `/why` is to be told.
#[derive(serde::Deserialize)]
struct Telling {
    lang: Option<String>,
    view: Option<String>,
}

/// Why an alarm in force stands where it stands, as text: `?lang=en` for English, `?view=gistm` by response
/// plan instead of the levels of GB 39496.
async fn why(
    State(page): State<Arc<Page>>,
    Path(alarm): Path<String>,
    Query(telling): Query<Telling>,
) -> Result<Response, StatusCode> {
    let shown = snapshot(&page).await?;
    let of = shown.alarms.iter().find(|known| known.alarm.as_str() == alarm).ok_or(StatusCode::NOT_FOUND)?;
    let language = if telling.lang.as_deref() == Some("en") { Language::En } else { Language::Zh };
    let view = if telling.view.as_deref() == Some("gistm") { View::Gistm } else { View::Gb };
    let proof = of.proof.as_deref().map(Proof::parse);
    let text = match proof {
        Some(Ok(proof)) => proof.text(language, view),
        Some(Err(_)) | None => format!("{}\n", of.why),
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

async fn metrics(State(page): State<Arc<Page>>) -> Response {
    let mut out = String::new();
    let (spool, link) = (page.spool.borrow().clone(), page.link.borrow().clone());
    let up = u64::from(link.state == LinkState::Up);
    let rows: [(&str, &str, &str, u64); 12] = [
        ("minewatch_gateway_link_up", "gauge", "1 while headquarters' store answers", up),
        ("minewatch_gateway_link_losses_total", "counter", "connections lost", link.losses),
        ("minewatch_gateway_unacked_records", "gauge", "records the store is not known to have", spool.unacked),
        ("minewatch_gateway_batches_sent_total", "counter", "batches sent", link.batches),
        ("minewatch_gateway_acked_records_total", "counter", "records acknowledged by the store", link.acked_records),
        ("minewatch_gateway_refused_batches_total", "counter", "batches refused by headquarters", link.refused),
        ("minewatch_spool_held_bytes", "gauge", "bytes of frames in the spool", spool.held_bytes),
        (
            "minewatch_spool_lost_records_total",
            "counter",
            "records refused or dropped, each in a gap record",
            spool.lost_records,
        ),
        ("minewatch_spool_groups_total", "counter", "groups of records committed", spool.groups),
        ("minewatch_spool_alarm_records_total", "counter", "records of the alarm lane in this epoch", spool.next_alarm),
        (
            "minewatch_spool_routine_records_total",
            "counter",
            "records of the routine lane in this epoch",
            spool.next_routine,
        ),
        (
            "minewatch_spool_healthy",
            "gauge",
            "1 while the spool takes every record",
            u64::from(spool.health == SpoolHealth::Ok),
        ),
    ];
    for (name, kind, help, value) in rows {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    let buses: Vec<(String, BusCounts)> = match page.counters.lock() {
        Ok(counters) => counters.iter().map(|(bus, c)| (bus.clone(), c.counts())).collect(),
        Err(_) => Vec::new(),
    };
    let names: Vec<&'static str> = BusCounts::default().named().into_iter().map(|(name, _)| name).collect();
    for (index, name) in names.iter().enumerate() {
        let _ = writeln!(out, "# TYPE minewatch_modbus_{name}_total counter");
        for (bus, counts) in &buses {
            let value = counts.named().get(index).map_or(0, |(_, value)| *value);
            let _ = writeln!(
                out,
                "minewatch_modbus_{name}_total{{bus=\"{}\"}} {value}",
                bus.replace(['"', '\\', '\n'], "_")
            );
        }
    }
    vision_metrics(&page.vision.borrow(), &mut out);
    if let Some(identity) = page.certificate.as_deref().and_then(crate::enrol::Identity::beside) {
        let left = (identity.ends_us - clock::wall().micros()) / 1_000_000;
        let name = "minewatch_gateway_certificate_seconds";
        let _ = writeln!(out, "# HELP {name} seconds until the certificate ends\n# TYPE {name} gauge\n{name} {left}");
    }
    let _ = writeln!(
        out,
        "# TYPE minewatch_gateway_start_time_seconds gauge\nminewatch_gateway_start_time_seconds {}",
        page.started.millis() / 1_000
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out).into_response()
}

fn vision_metrics(vision: &VisionView, out: &mut String) {
    let rows = [
        ("minewatch_vision_up", "gauge", u64::from(vision.up)),
        ("minewatch_vision_restarts_total", "counter", vision.restarts),
        ("minewatch_vision_resident_bytes", "gauge", vision.resident_bytes),
    ];
    for (name, kind, value) in rows {
        let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {value}");
    }
    for (index, name) in ["frames", "frames_dropped", "frames_looked", "reconnects"].into_iter().enumerate() {
        let _ = writeln!(out, "# TYPE minewatch_camera_{name}_total counter");
        for beat in &vision.cameras {
            let value = [beat.frames, beat.dropped, beat.looked, beat.reconnects].get(index).copied().unwrap_or(0);
            let _ = writeln!(out, "minewatch_camera_{name}_total{{camera=\"{}\"}} {value}", beat.camera);
        }
    }
}

async fn local_page(State(page): State<Arc<Page>>) -> Result<Response, StatusCode> {
    let shown = snapshot(&page).await?;
    let (spool, link) = (page.spool.borrow().clone(), page.link.borrow().clone());
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, render(&shown, &spool, &link)).into_response())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn level_zh(level: minewatch_domain::Level) -> &'static str {
    use minewatch_domain::Level;
    match level {
        Level::Normal => "正常",
        Level::Blue => "蓝色",
        Level::Yellow => "黄色",
        Level::Orange => "橙色",
        Level::Red => "红色",
    }
}

fn render(shown: &Snapshot, spool: &SpoolView, link: &UplinkView) -> String {
    let mut page = String::from(concat!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">",
        "<meta name=\"viewport\" content=\"width=device-width\"><style>body{font:16px sans-serif;margin:1rem;background:#eee;color:#111}",
        "table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #bbb;text-align:left}",
        ".red{background:#b00020;color:#fff}.orange{background:#d45d00;color:#fff}.yellow{background:#f5d000}.blue{background:#0b57d0;color:#fff}",
        ".bad{color:#b00020}</style>"
    ));
    let name = &shown.config.name;
    let _ = write!(page, "<title>{0}</title><h1>{0} <small>{1}</small></h1>", escape(&name.zh), escape(&name.en));
    let (zh, en) = match link.state {
        LinkState::Up => ("总部在线", "headquarters answers"),
        LinkState::AwaitingStore => ("已连接，等待总部存储", "connected, waiting for the store"),
        LinkState::Down => ("与总部断开：本地报警继续工作", "cut off: local alarms go on"),
    };
    let _ = write!(
        page,
        "<p>{zh} / {en} · 待确认 unacknowledged {} · spool {} kB · {:?}</p>",
        spool.unacked,
        spool.held_bytes / 1_000,
        spool.health
    );
    page.push_str(
        "<p><a href=\"/act\">现场处置：确认、消音、搁置、警笛试响 / act: acknowledge, silence, shelve, siren test</a></p>\
         <h2>报警 Alarms</h2><table><tr><th>级别 level<th>报警 alarm<th>值 value<th>限值 limit<th>原因 why</tr>",
    );
    for alarm in &shown.alarms {
        let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.3}"));
        let _ = write!(
            page,
            "<tr><td class=\"{0}\">{1} {0}<td><a href=\"/why/{2}\">{2}</a><td>{3}<td>{4}<td>{5}</tr>",
            alarm.to.name(),
            level_zh(alarm.to),
            escape(alarm.alarm.as_str()),
            number(alarm.value),
            number(alarm.limit),
            escape(&alarm.why)
        );
    }
    page.push_str("</table><h2>警笛 Sirens</h2><p>");
    for (id, on) in &shown.sirens {
        let _ = write!(page, "{}: {} ", escape(id), if *on { "响 ON" } else { "静 off" });
    }
    if !shown.forecasts.is_empty() {
        page.push_str("</p><h2>失稳预测 Forecasts</h2><table><tr><th>测点 point<th>预测 forecast</tr>");
        for note in &shown.forecasts {
            let _ =
                write!(page, "<tr><td>{}<td>{}<br>{}</tr>", escape(&note.point), escape(&note.zh), escape(&note.en));
        }
        page.push_str("</table><p>");
    }
    page.push_str("</p><h2>读数 Readings</h2><table><tr><th>测点 point<th>值 value<th>质量 quality</tr>");
    for reading in shown.latest.iter().take(POINTS_SHOWN_MAX) {
        let value = reading.value.map_or_else(|| "—".to_owned(), |v| format!("{v:.3}"));
        let class = if reading.quality == minewatch_domain::Quality::Good { "" } else { "bad" };
        let _ = write!(
            page,
            "<tr><td>{}<td>{value}<td class=\"{class}\">{} {}</tr>",
            escape(reading.point.as_str()),
            reading.quality.name(),
            reading.reason.name()
        );
    }
    page.push_str("</table></html>");
    page
}

/// Rows on the local page; the rest is at `/api/local`.
const POINTS_SHOWN_MAX: usize = 300;
