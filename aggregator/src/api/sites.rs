//! What sites look like, why an alarm stands, and where a movement leads: what the dam page is drawn from.

use super::query::{self, Asked};
use super::types::Name;
use super::{Api, Problem};
use crate::clock;
use crate::people::{Action, Actor, Domain};
use axum::Json;
use axum::extract::{Path, Query, State};
use minewatch_dam::forecast::{ForecastSettings, Kind, Language, Mark, Outlook, Track, assess};
use minewatch_domain::{At, BothNames, Level, SiteOutline};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

type Params = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

/// Samples a forecast is made from; a longer time is down-sampled to them.
const TRACK_MAX: i64 = 2_000;
/// Forecasts at once: each keeps a core busy for some tenths of a second.
static FORECASTS: Semaphore = Semaphore::const_new(2);
const DAY_US: f64 = 86_400_000_000.0;

/// A position, WGS 84 degrees.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LocationView {
    longitude: f64,
    latitude: f64,
}

/// A piezometer in a section; `x_m` metres downstream of the crest.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PiezometerView {
    point: String,
    x_m: f64,
}

/// A cross-section; heights in m above the site datum.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SectionView {
    id: String,
    name: Name,
    base_m: f64,
    /// `[x, height]`, x increasing downstream.
    surface: Vec<[f64; 2]>,
    piezometers: Vec<PiezometerView>,
}

/// A monitored item; its alarm is `{id}.item`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemView {
    id: String,
    kind: String,
    name: Name,
    points: Vec<String>,
}

/// A dam; the alarm of the pond is `{id}.pond`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DamView {
    id: String,
    name: Name,
    class: u8,
    crest_m: f64,
    design_flood_level_m: Option<f64>,
    utc_offset_h: f64,
    sections: Vec<SectionView>,
    items: Vec<ItemView>,
}

/// A camera; its alarms are `{id}.fall` and `{id}.camera_health`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CameraView {
    id: String,
    name: Name,
}

/// What a site looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiteOutlineView {
    gateway: String,
    location: Option<LocationView>,
    dam: Option<DamView>,
    cameras: Vec<CameraView>,
}

fn name(name: BothNames) -> Name {
    Name { zh: name.zh, en: name.en }
}

fn outline(gateway: String, outline: SiteOutline) -> SiteOutlineView {
    let dam = outline.dam.map(|dam| DamView {
        id: dam.id.to_string(),
        name: name(dam.name),
        class: dam.class,
        crest_m: dam.crest_m,
        design_flood_level_m: dam.design_flood_level_m,
        utc_offset_h: dam.utc_offset_h,
        sections: dam
            .sections
            .into_iter()
            .map(|section| SectionView {
                id: section.id.to_string(),
                name: name(section.name),
                base_m: section.base_m,
                surface: section.surface,
                piezometers: section
                    .piezometers
                    .into_iter()
                    .map(|at| PiezometerView { point: at.point.to_string(), x_m: at.x_m })
                    .collect(),
            })
            .collect(),
        items: dam
            .items
            .into_iter()
            .map(|item| ItemView {
                id: item.id.to_string(),
                kind: item.kind,
                name: name(item.name),
                points: item.points.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    });
    let cameras = outline.cameras.into_iter().map(|camera| CameraView { id: camera.id, name: name(camera.name) });
    let location = outline.location.map(|at| LocationView { longitude: at.longitude, latitude: at.latitude });
    SiteOutlineView { gateway, location, dam, cameras: cameras.collect() }
}

/// Outlines of the sites: position, dam with its sections and items, cameras.
#[utoipa::path(get, path = "/api/v1/sites", responses((status = 200, body = Vec<SiteOutlineView>)))]
pub(super) async fn sites(State(api): State<Api>, actor: Actor) -> Result<Json<Vec<SiteOutlineView>>, Problem> {
    let mut views = Vec::new();
    for (gateway, found) in api.store.outlines().await? {
        let place = api.places.of(&gateway);
        if !actor.may_any(Action::View, &place) {
            continue;
        }
        let mut view = outline(gateway.to_string(), found);
        if !actor.may(Action::View, Domain::Dam, &place) {
            view.dam = None;
        }
        if !actor.may(Action::View, Domain::Fall, &place) {
            view.cameras.clear();
        }
        views.push(view);
    }
    Ok(Json(views))
}

/// Why an alarm stands where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProofView {
    /// Revision of the transition it explains.
    revision: i64,
    level: String,
    at: String,
    /// The tree of `docs/proof.md`.
    #[schema(value_type = Object)]
    proof: serde_json::Value,
}

/// Which proof of an alarm is asked for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofParams {
    /// The level to be explained, where it need not be the newest: of a latched alarm the worst it had.
    level: Option<String>,
}

/// The newest proof of an alarm, of a level where one is named and has been explained; 404 where there is none.
#[utoipa::path(get, path = "/api/v1/alarms/{gateway}/{alarm}/proof",
    params(("gateway" = String, Path), ("alarm" = String, Path), ("level" = Option<String>, Query)),
    responses((status = 200, body = ProofView), (status = 404)))]
pub(super) async fn proof(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, alarm)): Path<(String, String)>,
    params: Result<Query<ProofParams>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ProofView>, Problem> {
    let (gateway, alarm) = (query::gateway(&gateway)?, query::point(&alarm)?);
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let level = match asked.level.as_deref() {
        None => None,
        Some(text) => {
            let known = Level::WARNINGS.into_iter().chain([Level::Normal]).find(|level| level.name() == text);
            Some(known.ok_or_else(|| Problem::bad("level must be normal, blue, yellow, orange or red"))?)
        }
    };
    let row = api.store.proof(&gateway, &alarm, level).await?.ok_or_else(|| Problem::not_found("proof"))?;
    api.visible(&actor, Domain::of_alarm_kind(&row.kind), &gateway, "proof")?;
    let read = serde_json::from_str(&row.proof).map_err(|_| Problem::not_found("proof"))?;
    let (level, at) = (row.level.name().to_owned(), clock::text(row.at));
    Ok(Json(ProofView { revision: row.revision, level, at, proof: read }))
}

/// Where a movement leads: a failure time with its interval, or why none is stated. Never a statement of safety.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForecastView {
    gateway: String,
    point: String,
    from: String,
    to: String,
    /// Usable samples it was made from.
    samples: usize,
    /// `failure` or `abstain`.
    outlook: String,
    /// Code of the abstention, for example `NO_TREND`.
    reason: Option<String>,
    failure_at: Option<String>,
    /// Interval of the failure time at 95 %.
    earliest_at: Option<String>,
    latest_at: Option<String>,
    accelerating_since: Option<String>,
    models_agree: Option<bool>,
    /// In sentences. Days in them are counted from `from`.
    explanation: Name,
}

/// Millimetres in a unit of length.
fn millimetres(unit: &str) -> Option<f64> {
    match unit {
        "mm" => Some(1.0),
        "cm" => Some(10.0),
        "m" => Some(1_000.0),
        _ => None,
    }
}

fn forecast_view(outlook: &Outlook, from: At) -> ForecastView {
    let at = |day: f64| clock::text(At(from.micros().saturating_add((day * DAY_US) as i64)));
    let explanation = Name { zh: outlook.explain(Language::Chinese), en: outlook.explain(Language::English) };
    let view = ForecastView {
        gateway: String::new(),
        point: String::new(),
        from: clock::text(from),
        to: String::new(),
        samples: 0,
        outlook: "abstain".to_owned(),
        reason: None,
        failure_at: None,
        earliest_at: None,
        latest_at: None,
        accelerating_since: None,
        models_agree: None,
        explanation,
    };
    match outlook {
        Outlook::Abstain(why) => ForecastView { reason: Some(why.code().to_owned()), ..view },
        Outlook::Failure(failure) => ForecastView {
            outlook: "failure".to_owned(),
            failure_at: Some(at(failure.tf)),
            earliest_at: Some(at(failure.interval.from)),
            latest_at: Some(at(failure.interval.to)),
            accelerating_since: Some(at(failure.onset)),
            models_agree: Some(failure.models_agree),
            ..view
        },
    }
}

/// Assesses the displacement of a point over a time, by default the last day.
#[utoipa::path(get, path = "/api/v1/points/{gateway}/{point}/forecast",
    params(("gateway" = String, Path), ("point" = String, Path), ("from" = Option<String>, Query),
        ("to" = Option<String>, Query)),
    responses((status = 200, body = ForecastView), (status = 400), (status = 404), (status = 503)))]
pub(super) async fn forecast(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, point)): Path<(String, String)>,
    params: Params,
) -> Result<Json<ForecastView>, Problem> {
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let (gateway, point) = (query::gateway(&gateway)?, query::point(&point)?);
    api.visible(&actor, Domain::Dam, &gateway, "point")?;
    let (from, to) = asked.range(clock::now())?;
    let row = api.store.point(&gateway, &point).await?.ok_or_else(|| Problem::not_found("point"))?;
    let unit = row.described.map(|d| d.unit).unwrap_or_default();
    let scale = millimetres(&unit)
        .ok_or_else(|| Problem::bad(format!("only a displacement in mm, cm or m can be assessed, not {unit:?}")))?;
    let Ok(_one) = FORECASTS.try_acquire() else {
        let message = "other forecasts are being made; try again".to_owned();
        return Err(Problem { status: axum::http::StatusCode::SERVICE_UNAVAILABLE, code: "busy", message });
    };
    let history = api.store.history(row.num, from, to, TRACK_MAX).await?;
    let marks = history.samples.iter().filter_map(|sample| {
        let day = (sample.at.micros() - from.micros()) as f64 / DAY_US;
        sample.mean.map(|value| Mark { day, value: value * scale })
    });
    let track = Track::new(Kind::Displacement, marks);
    let samples = track.marks().len();
    let assessed = tokio::task::spawn_blocking(move || assess(&track, &[], None, &ForecastSettings::default())).await;
    let outlook = assessed.map_err(|_| Problem::bad("this series cannot be assessed"))?;
    let view = forecast_view(&outlook, from);
    Ok(Json(ForecastView {
        gateway: gateway.to_string(),
        point: point.to_string(),
        to: clock::text(to),
        samples,
        ..view
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abstention_has_its_reason_and_no_time() {
        let track = Track::new(Kind::Displacement, (0..5).map(|n| Mark { day: f64::from(n), value: 0.0 }));
        let view = forecast_view(&assess(&track, &[], None, &ForecastSettings::default()), At(0));
        assert_eq!((view.outlook.as_str(), view.reason.as_deref()), ("abstain", Some("TOO_FEW")));
        assert_eq!((view.failure_at, view.earliest_at), (None, None));
        assert!(view.explanation.zh.contains("不表示坝体安全"), "{}", view.explanation.zh);
    }

    #[test]
    fn a_failure_has_a_time_inside_its_interval() {
        // Fukuzono's law with a failure on day 60: v = 200 / (60 - t), so d = -200 ln(60 - t), in mm, with some noise.
        let noise = |n: i32| f64::from((n * 7_919) % 13 - 6) * 0.02;
        let day = |n: i32| f64::from(n) * 0.25;
        let marks = (0..232).map(|n| Mark { day: day(n), value: 200.0 * (60.0 / (60.0 - day(n))).ln() + noise(n) });
        let view = forecast_view(
            &assess(&Track::new(Kind::Displacement, marks), &[], None, &ForecastSettings::default()),
            At(0),
        );
        assert_eq!(view.outlook, "failure", "{}", view.explanation.en);
        let (early, at, late) = (view.earliest_at, view.failure_at, view.latest_at);
        assert!(early <= at && at <= late, "{early:?} {at:?} {late:?}");
        assert!(at.is_some_and(|at| at.starts_with("1970-03-0") || at.starts_with("1970-02-2")));
    }

    #[test]
    fn only_lengths_can_be_assessed() {
        assert_eq!(millimetres("cm"), Some(10.0));
        assert_eq!(millimetres("mm/d"), None);
    }
}
