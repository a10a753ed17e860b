//! The routes that answer once.

use super::acts::sight;
use super::complete::Sight;
use super::query::{self, Asked};
use super::types::{
    AlarmView, BrokerView, EventView, GatewayView, HistoryView, LedgerView, PointView, QuarantineView, ReadingsView,
    StoreView, SystemView,
};
use super::view;
use super::{Api, Problem};
use crate::clock;
use crate::hq;
use crate::live::Latest;
use crate::people::{Action, Actor, Domain, authorize};
use crate::store::{AlarmRow, Filter};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use minewatch_domain::{GatewayId, OrgPath, PointId};
use std::collections::BTreeMap;

type Answer<T> = Result<Json<T>, Problem>;
type Params = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

fn asked(params: Params) -> Result<Asked, Problem> {
    params.map(|Query(asked)| asked).map_err(|e| Problem::bad(e.body_text()))
}

impl Api {
    /// Where a gateway stands, as the row itself says.
    fn stands(row: &crate::store::GatewayRow) -> OrgPath {
        row.path.as_ref().map_or_else(OrgPath::unassigned, OrgPath::of_site)
    }

    /// Refuses a gateway the actor may not see as if it were not there.
    pub(super) fn visible(
        &self,
        actor: &Actor,
        domain: Domain,
        gateway: &GatewayId,
        what: &str,
    ) -> Result<(), Problem> {
        match actor.may(Action::View, domain, &self.places.of(gateway)) {
            true => Ok(()),
            false => Err(Problem::not_found(what)),
        }
    }

    pub(super) async fn gateway_list(&self, actor: &Actor) -> Result<Vec<GatewayView>, Problem> {
        let rows = self.store.gateways().await?;
        let views = rows
            .iter()
            .filter(|row| actor.may_any(Action::View, &Api::stands(row)))
            .map(|row| view::gateway(row, self.live.link(&row.gateway).as_ref(), self.live.latest_at(&row.gateway)));
        Ok(views.collect())
    }

    pub(super) async fn point_list(
        &self,
        actor: &Actor,
        gateway: Option<&GatewayId>,
    ) -> Result<Vec<PointView>, Problem> {
        let now = clock::now();
        let rows = self.store.points(gateway).await?;
        let mut live: BTreeMap<GatewayId, BTreeMap<PointId, Latest>> = BTreeMap::new();
        let mut views = Vec::with_capacity(rows.len());
        let mut seen: BTreeMap<GatewayId, bool> = BTreeMap::new();
        for row in rows {
            let sees = || actor.may(Action::View, Domain::Dam, &self.places.of(&row.gateway));
            if !*seen.entry(row.gateway.clone()).or_insert_with(sees) {
                continue;
            }
            let known = live.entry(row.gateway.clone()).or_insert_with(|| self.live.latest(&row.gateway));
            let newest = match (known.get(&row.point).copied(), row.latest) {
                (Some(live), Some(stored)) if stored.at > live.at => Some(stored),
                (Some(live), _) => Some(live),
                (None, stored) => stored,
            };
            views.push(view::point(&row.gateway, &row.point, row.described.as_ref(), newest.as_ref(), now));
        }
        Ok(views)
    }

    /// A page of alarms the actor may see, with their inputs, and the key of the next.
    pub(super) async fn alarm_list(
        &self,
        actor: &Actor,
        asked: &Asked,
    ) -> Result<(Vec<AlarmView>, Option<String>), Problem> {
        let level_min = match asked.state.as_deref() {
            None | Some("active") => 1,
            Some("all") => 0,
            Some(_) => return Err(Problem::bad("state must be active or all")),
        };
        let Some(sight) = sight(actor, Action::View) else { return Ok((Vec::new(), None)) };
        let filter = Filter {
            sight,
            gateway: asked.gateway()?.map(|gateway| gateway.to_string()),
            level_min,
            after: asked.after.as_deref().map(query::page_key).transpose()?,
            limit: asked.limit(1_000)?,
            ..Filter::default()
        };
        let rows = self.store.alarms(&filter).await?;
        let full = rows.len() as i64 == filter.limit;
        let key = |row: &AlarmRow| {
            let level = i64::from(row.to.code());
            query::page_key_text(level, row.at.micros(), 0, row.gateway.as_str(), &row.alarm)
        };
        let next = rows.last().filter(|_| full).map(key);
        let (now, mut live) = (clock::now(), BTreeMap::new());
        let views = rows.iter().map(|row| {
            let known: &BTreeMap<PointId, Latest> =
                live.entry(row.gateway.clone()).or_insert_with(|| self.live.latest(&row.gateway));
            let newest = row.point.as_deref().and_then(|point| known.get(&PointId::parse(point).ok()?));
            let input = newest.map(|newest| view::latest(newest, row.described.as_ref(), now));
            AlarmView { input, ..view::alarm(row) }
        });
        Ok((views.collect(), next))
    }

    pub(super) fn system_view(&self) -> SystemView {
        let failure = self.health.failure();
        SystemView {
            instance: format!("{:016x}", self.instance),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            store: StoreView {
                kind: self.store.dialect().name().to_owned(),
                ok: failure.is_none(),
                error: failure.map(|(error, since)| format!("{error} (since {})", clock::text(since))),
            },
            broker: BrokerView {
                url: self.broker_url.clone(),
                embedded: self.embedded,
                connected: self.metrics.broker_connected.get() == 1,
                late_subscribers: if self.embedded { hq::LATE_EMBEDDED } else { hq::LATE_EXTERNAL }.to_owned(),
            },
            disk_free_mb: self.disk_free_mb(),
            started_at: clock::text(self.started),
            now: clock::text(clock::now()),
        }
    }

    async fn sight(&self, gateway: &GatewayId) -> Result<Sight, Problem> {
        Ok(Sight {
            hello_stored: self.store.hello_stored(gateway).await?,
            started: self.started,
            link: self.live.link(gateway),
            store_works: self.health.failure().is_none(),
            broker_connected: self.metrics.broker_connected.get() == 1,
            now: clock::now(),
        })
    }

    fn disk_free_mb(&self) -> Option<u64> {
        let file = self.store.file()?;
        let disk = rustix::fs::statvfs(file).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
    }
}

/// Every gateway.
#[utoipa::path(get, path = "/api/v1/gateways", responses((status = 200, body = Vec<GatewayView>)))]
pub(super) async fn gateways(State(api): State<Api>, actor: Actor) -> Answer<Vec<GatewayView>> {
    Ok(Json(api.gateway_list(&actor).await?))
}

/// Points with their newest value.
#[utoipa::path(get, path = "/api/v1/points", params(("gateway" = Option<String>, Query)),
    responses((status = 200, body = Vec<PointView>)))]
pub(super) async fn points(State(api): State<Api>, actor: Actor, params: Params) -> Answer<Vec<PointView>> {
    let gateway = asked(params)?.gateway()?;
    Ok(Json(api.point_list(&actor, gateway.as_ref()).await?))
}

/// The history of one point.
#[utoipa::path(get, path = "/api/v1/points/{gateway}/{point}/history",
    params(("gateway" = String, Path), ("point" = String, Path), ("from" = Option<String>, Query),
        ("to" = Option<String>, Query), ("max_points" = Option<u32>, Query)),
    responses((status = 200, body = HistoryView)))]
pub(super) async fn history(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, point)): Path<(String, String)>,
    params: Params,
) -> Answer<HistoryView> {
    let asked = asked(params)?;
    let (gateway, point) = (query::gateway(&gateway)?, query::point(&point)?);
    api.visible(&actor, Domain::Dam, &gateway, "point")?;
    let ((from, to), points) = (asked.range(clock::now())?, asked.max_points()?);
    let row = api.store.point(&gateway, &point).await?.ok_or_else(|| Problem::not_found("point"))?;
    let history = api.store.history(row.num, from, to, points).await?;
    Ok(Json(HistoryView {
        gateway: gateway.to_string(),
        point: point.to_string(),
        unit: row.described.map(|d| d.unit),
        bucket_ms: history.bucket_us.div_euclid(1_000),
        raw: history.bucket_us == 0,
        samples: history.samples.iter().map(view::sample).collect(),
    }))
}

/// Raw ledger rows of one point.
#[utoipa::path(get, path = "/api/v1/readings",
    params(("gateway" = String, Query), ("point" = String, Query), ("from" = Option<String>, Query),
        ("to" = Option<String>, Query), ("after" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = ReadingsView)))]
pub(super) async fn readings(State(api): State<Api>, actor: Actor, params: Params) -> Answer<ReadingsView> {
    let asked = asked(params)?;
    let gateway = asked.gateway()?.ok_or_else(|| Problem::bad("gateway is needed"))?;
    let point = asked.point.as_deref().map(query::point).transpose()?;
    let point = point.ok_or_else(|| Problem::bad("point is needed"))?;
    api.visible(&actor, Domain::Dam, &gateway, "point")?;
    let (range, after, limit) = (asked.range(clock::now())?, asked.after()?, asked.limit(1_000)?);
    if range.1.micros() - range.0.micros() > crate::store::RANGE_US_MAX {
        return Err(Problem::bad("at most 31 days at once"));
    }
    let row = api.store.point(&gateway, &point).await?.ok_or_else(|| Problem::not_found("point"))?;
    let rows = api.store.readings(row.num, range, after, limit).await?;
    let full = rows.len() as i64 == limit;
    let next = rows.last().filter(|_| full).map(|(r, stream)| format!("{}-{stream}-{}", r.at.micros(), r.seq));
    Ok(Json(ReadingsView { next, rows: rows.iter().map(|(row, _)| view::reading(&point, row)).collect() }))
}

/// Alarms, worst and newest first. Where more follow, the header `link` names the next page
/// (`rel="next"`); `after` takes its key.
#[utoipa::path(get, path = "/api/v1/alarms",
    params(("state" = Option<String>, Query), ("gateway" = Option<String>, Query), ("after" = Option<String>, Query),
        ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<AlarmView>)))]
pub(super) async fn alarms(State(api): State<Api>, actor: Actor, params: Params) -> Result<Response, Problem> {
    let asked = asked(params)?;
    let (rows, next) = api.alarm_list(&actor, &asked).await?;
    let mut response = Json(rows).into_response();
    let link = next.and_then(|key| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let parts = [("state", &asked.state), ("gateway", &asked.gateway), ("limit", &asked.limit)];
        query.extend_pairs(parts.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        format!("</api/v1/alarms?{}>; rel=\"next\"", query.append_pair("after", &key).finish()).parse().ok()
    });
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Every transition of one alarm.
#[utoipa::path(get, path = "/api/v1/alarms/{gateway}/{alarm}/journal",
    params(("gateway" = String, Path), ("alarm" = String, Path), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<AlarmView>)))]
pub(super) async fn journal(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, alarm)): Path<(String, String)>,
    params: Params,
) -> Answer<Vec<AlarmView>> {
    let limit = asked(params)?.limit(query::LIMIT_MAX)?;
    let gateway = query::gateway(&gateway)?;
    let rows = api.store.journal(&gateway, &query::point(&alarm)?, limit).await?;
    let place = api.places.of(&gateway);
    let sees = rows.iter().all(|row| actor.may(Action::View, Domain::of_alarm_kind(&row.kind), &place));
    match rows.is_empty() || !sees {
        true => Err(Problem::not_found("alarm")),
        false => Ok(Json(rows.iter().map(view::alarm).collect())),
    }
}

/// What happened at the gateways, newest first.
#[utoipa::path(get, path = "/api/v1/events",
    params(("gateway" = Option<String>, Query), ("from" = Option<String>, Query), ("to" = Option<String>, Query),
        ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<EventView>)))]
pub(super) async fn events(State(api): State<Api>, actor: Actor, params: Params) -> Answer<Vec<EventView>> {
    let asked = asked(params)?;
    let (gateway, range, limit) = (asked.gateway()?, asked.range(clock::now())?, asked.limit(1_000)?);
    let rows = api.store.events(gateway.as_ref(), range, limit).await?;
    let seen = rows.iter().filter(|row| actor.may_any(Action::View, &api.places.of(&row.gateway)));
    Ok(Json(seen.map(view::event).collect()))
}

/// What is complete, what is missing and why.
#[utoipa::path(get, path = "/api/v1/ledger", params(("gateway" = Option<String>, Query)),
    responses((status = 200, body = Vec<LedgerView>)))]
pub(super) async fn ledger(State(api): State<Api>, actor: Actor, params: Params) -> Answer<Vec<LedgerView>> {
    let gateway = asked(params)?.gateway()?;
    let ledgers = api.store.ledger(gateway.as_ref()).await?;
    let mut views = Vec::with_capacity(ledgers.len());
    for ledger in ledgers.iter().filter(|ledger| actor.may_any(Action::View, &api.places.of(&ledger.gateway))) {
        views.push(view::ledger(ledger, &api.sight(&ledger.gateway).await?));
    }
    Ok(Json(views))
}

/// Refused payloads and records.
#[utoipa::path(get, path = "/api/v1/quarantine", params(("limit" = Option<u32>, Query)),
    responses((status = 200, body = QuarantineView)))]
pub(super) async fn quarantine(State(api): State<Api>, actor: Actor, params: Params) -> Answer<QuarantineView> {
    // What was refused belongs to no place.
    authorize(&actor, Action::ViewSystem, Domain::System, &OrgPath::root())?;
    let (entries, counts) = api.store.quarantine(asked(params)?.limit(100)?).await?;
    Ok(Json(QuarantineView { entries: entries.iter().map(view::quarantine).collect(), counts }))
}

/// Headquarters itself.
#[utoipa::path(get, path = "/api/v1/system", responses((status = 200, body = SystemView)))]
pub(super) async fn system(State(api): State<Api>) -> Json<SystemView> {
    Json(api.system_view())
}

pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], api.metrics.text())
}

/// Ready: the store takes transactions and gateways are heard.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let (store, broker) = (api.health.failure().is_none(), api.metrics.broker_connected.get() == 1);
    let status = if store && broker { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": store && broker, "store": store, "broker": broker }))).into_response()
}
