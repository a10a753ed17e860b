//! The `[[camera]]` entries of a site file, with `[vision]` and `[evidence]`.
//!
//! Invariant: passwords stand in files only; every camera has a profile, whose keys the entry may
//! override. Deliberately absent: anything that needs a picture.

use super::build::Texts;
use super::problem::did_you_mean;
use super::site::{Cameras, EvidenceSend};
use super::table::Table;
use crate::instrument::Names;
use minewatch_camera::{
    CameraSettings, EvidenceSettings, InferenceSettings, Provider, Sampling, Source, Transport, VisionSettings,
};
use minewatch_domain::DeviceId;
use minewatch_fall::{CameraProfile, Hours, Zone, ZoneKind};
use std::path::Path;

/// Cameras per site: what one process on an industrial PC can decode.
const CAMERAS_MAX: usize = 64;

/// Where the camera profiles are when the site file does not say, relative to it.
pub(super) const PROFILES_DIR_DEFAULT: &str = "../cameras";

/// What a profile and a camera entry may both say.
#[derive(Clone, Default)]
struct Keys {
    fps: Option<f64>,
    fps_floor: Option<f64>,
    height: Option<u32>,
    tiles: Option<(u8, u8)>,
    person_height_min: Option<f64>,
    motionless_s: Option<f64>,
    frozen_after_s: Option<u32>,
}

impl Keys {
    fn read(table: &mut Table<'_>) -> Keys {
        Keys {
            fps: positive(table, "fps", 30.0),
            fps_floor: positive(table, "fps_floor", 30.0),
            height: table.int_opt("height", 96..=2_160),
            tiles: tiles(table),
            person_height_min: table.size_opt("person_height_min"),
            motionless_s: table.size_opt("motionless_s"),
            frozen_after_s: table.int_opt("frozen_after_s", 0..=86_400),
        }
    }

    fn over(self, base: Keys) -> Keys {
        Keys {
            fps: self.fps.or(base.fps),
            fps_floor: self.fps_floor.or(base.fps_floor),
            height: self.height.or(base.height),
            tiles: self.tiles.or(base.tiles),
            person_height_min: self.person_height_min.or(base.person_height_min),
            motionless_s: self.motionless_s.or(base.motionless_s),
            frozen_after_s: self.frozen_after_s.or(base.frozen_after_s),
        }
    }
}

fn positive(table: &mut Table<'_>, key: &'static str, most: f64) -> Option<f64> {
    let value = table.number_opt(key)?;
    if !(0.1..=most).contains(&value) {
        table.problem(format!("{key} is {value} but must be from 0.1 to {most}"));
        return None;
    }
    Some(value)
}

fn tiles(table: &mut Table<'_>) -> Option<(u8, u8)> {
    if !table.has("tiles") {
        return table.asks("tiles");
    }
    match table.ints::<u8>("tiles", 1..=4)[..] {
        [across, down] => Some((across, down)),
        _ => {
            table.problem("tiles must be [across, down], each from 1 to 4");
            None
        }
    }
}

/// Reads everything about cameras; `None` when the site has none.
pub(super) fn cameras(table: &mut Table<'_>, texts: &Texts) -> Option<Cameras> {
    table.text_opt("camera_profiles"); // used by `load`
    let entries = table.tables("camera");
    let vision = table.table_opt("vision");
    let evidence = table.table_opt("evidence");
    if entries.is_empty() {
        for (section, name) in [(vision, "vision"), (evidence, "evidence")] {
            if section.is_some() {
                table.problem(format!("[{name}] has no effect without a [[camera]]"));
            }
        }
        return None;
    }
    if entries.len() > CAMERAS_MAX {
        table.problem(format!("{} cameras; at most {CAMERAS_MAX} are allowed", entries.len()));
    }
    let (inference, memory_max_mb) = vision.map_or_else(default_inference, |table| inference(table, &texts.dir));
    let Some(evidence) = evidence else {
        table.problem("[evidence] is missing; a site with cameras needs its folder for events and clips");
        return None;
    };
    let (evidence, send) = evidence_of(evidence, &texts.dir)?;
    let mut names = Vec::new();
    let mut cameras = Vec::new();
    for entry in entries {
        let Some((name, camera)) = camera(entry, texts) else { continue };
        names.push(name);
        cameras.push(camera);
    }
    Some(Cameras { names, settings: VisionSettings { cameras, inference, evidence, memory_max_mb }, send })
}

fn default_inference() -> (InferenceSettings, u32) {
    (InferenceSettings { library: None, manifest: None, provider: Provider::Cpu, threads: 1 }, MEMORY_MB_DEFAULT)
}

/// Model and runtime take about 200 MiB, a camera at most 60.
const MEMORY_MB_DEFAULT: u32 = 1_024;

fn inference(mut table: Table<'_>, dir: &Path) -> (InferenceSettings, u32) {
    let providers = [("cpu", Provider::Cpu), ("openvino", Provider::OpenVino), ("cuda", Provider::Cuda)];
    let file = |text: Option<String>| text.map(|text| dir.join(text).display().to_string());
    let settings = InferenceSettings {
        library: file(table.text_opt("onnxruntime")),
        manifest: file(table.text_opt("model")),
        provider: table.choice_opt("provider", &providers).unwrap_or(Provider::Cpu),
        threads: table.int_opt("threads", 1..=64).unwrap_or(1),
    };
    let memory = table.int_opt("memory_max_mb", 256..=65_536).unwrap_or(MEMORY_MB_DEFAULT);
    table.finish();
    (settings, memory)
}

fn evidence_of(mut table: Table<'_>, dir: &Path) -> Option<(EvidenceSettings, Option<EvidenceSend>)> {
    let folder = table.text("dir");
    let settings = EvidenceSettings {
        dir: String::new(),
        before_s: table.int_opt("before_s", 1..=60).unwrap_or(10),
        after_s: table.int_opt("after_s", 1..=60).unwrap_or(10),
        keep_days: table.int_opt("keep_days", 1..=3_650).unwrap_or(90),
        size_max_mb: table.int_opt("size_max_mb", 16..=10_000_000).unwrap_or(8_192),
        blur: table.flag_or("blur_faces", true),
    };
    let send = table.table_opt("send").and_then(|table| send(table, dir));
    table.finish();
    let dir = dir.join(folder?).display().to_string();
    Some((EvidenceSettings { dir, ..settings }, send))
}

fn send(mut table: Table<'_>, dir: &Path) -> Option<EvidenceSend> {
    let url = table.parsed("url", upload_url);
    let token_file = table.text("token_file").map(|text| dir.join(text));
    let ca_file = table.text_opt("ca_file").map(|text| dir.join(text));
    table.finish();
    Some(EvidenceSend { url: url?, token_file: token_file?, ca_file })
}

/// `https://host[:port]`, or `http://` to this machine.
fn upload_url(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let Some((scheme, rest)) = text.split_once("://") else { return Err(format!("{text:?} is not an address")) };
    if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
        return Err(format!("{text:?} must be a host and port only"));
    }
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    match scheme {
        "https" => Ok(text.to_owned()),
        "http" if matches!(host, "127.0.0.1" | "localhost" | "[::1]") => Ok(text.to_owned()),
        "http" => Err("http:// is allowed to this machine only; pictures of people travel by https://".into()),
        _ => Err(format!("{text:?} must start with https://")),
    }
}

fn camera(mut table: Table<'_>, texts: &Texts) -> Option<((DeviceId, Names), CameraSettings)> {
    let id = table.parsed("id", DeviceId::parse);
    let name = table.names("name");
    let base = profile(&mut table, texts);
    let keys = Keys::read(&mut table).over(base);
    let analysis = source(&mut table, &texts.dir);
    let profile = judged(&mut table, &keys);
    let utc_offset_min = utc_offset(&mut table);
    let problems: Vec<String> = profile.problems();
    problems.into_iter().for_each(|problem| table.problem(problem));
    let (fps, fps_floor) = (keys.fps.unwrap_or(10.0), keys.fps_floor.unwrap_or(1.0));
    if fps_floor > fps {
        table.problem(format!("fps_floor is {fps_floor} but must not be above fps ({fps})"));
    }
    table.finish();
    let (analysis, record) = analysis?;
    #[allow(clippy::cast_possible_truncation)] // both are below 30
    let sampling = Sampling {
        fps: fps as f32,
        fps_floor: fps_floor as f32,
        height: keys.height.unwrap_or(480),
        tiles: keys.tiles.unwrap_or((1, 1)),
    };
    let frozen_after_s = keys.frozen_after_s.unwrap_or(60);
    let id = id?;
    let settings =
        CameraSettings { id: id.to_string(), analysis, record, sampling, profile, utc_offset_min, frozen_after_s };
    Some(((id, name), settings))
}

/// The shipped profile an entry names.
fn profile(table: &mut Table<'_>, texts: &Texts) -> Keys {
    let Some(name) = table.text_opt("profile") else { return Keys::default() };
    let Some(text) = texts.profiles.get(&name) else {
        let near = did_you_mean(&name, texts.profiles.keys().map(String::as_str));
        table.problem(format!("profile {name:?} is not in the camera profiles folder{near}"));
        return Keys::default();
    };
    let Ok(parsed) = text.parse::<toml::Table>() else {
        table.problem(format!("profile {name:?} is not valid TOML"));
        return Keys::default();
    };
    let mut profile = table.sibling(format!("{name}.toml"), parsed);
    profile.names("name");
    profile.text_opt("for");
    let keys = Keys::read(&mut profile);
    profile.finish();
    keys
}

fn source(table: &mut Table<'_>, dir: &Path) -> Option<(Source, Option<Source>)> {
    let kinds = ["url", "file", "test"].map(|key| table.has(key));
    if kinds.iter().filter(|there| **there).count() != 1 {
        table.problem("exactly one of url, file and test = true says where the pictures come from");
    }
    let transport = table.choice_opt("transport", &[("tcp", Transport::Tcp), ("udp", Transport::Udp)]);
    let transport = transport.unwrap_or(Transport::Tcp);
    if table.has("password") {
        table.text_opt("password");
        table.problem("password must not stand in a configuration; put it in a file and name it with password_file");
    }
    let (user, file) = (table.text_opt("username"), table.text_opt("password_file"));
    if user.is_some() != file.is_some() {
        table.problem("username and password_file belong together; give both or neither");
    }
    let login = user.zip(file.map(|file| dir.join(file).display().to_string()));
    let record_url = table.has("record_url").then(|| table.parsed("record_url", rtsp_url)).flatten();
    let rtsp = |url: String| Source::Rtsp { url, login: login.clone(), transport };
    if table.has("url") {
        let url = table.parsed("url", rtsp_url)?;
        return Some((rtsp(url), record_url.map(rtsp)));
    }
    if record_url.is_some() {
        table.problem("record_url belongs to a camera with url");
    }
    if let Some(file) = table.text_opt("file") {
        return Some((Source::File(dir.join(file).display().to_string()), None));
    }
    table.flag_or("test", false).then_some((Source::Test, None))
}

fn rtsp_url(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("rtsp://").or_else(|| text.strip_prefix("rtsps://")) else {
        return Err(format!("{text:?} must start with rtsp:// or rtsps://"));
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err("the URL must not hold a user name or password; use username and password_file".into());
    }
    if host.is_empty() || rest.contains(char::is_whitespace) {
        return Err(format!("{text:?} has no host"));
    }
    Ok(text.to_owned())
}

/// Zones, sizes and hours.
#[allow(clippy::cast_possible_truncation)] // shares and seconds
fn judged(table: &mut Table<'_>, keys: &Keys) -> CameraProfile {
    let kinds = [
        ("edge", ZoneKind::Edge),
        ("work_at_height", ZoneKind::WorkAtHeight),
        ("no_go", ZoneKind::NoGo),
        ("mask", ZoneKind::Mask),
        ("rest", ZoneKind::Rest),
    ];
    let mut zones = Vec::new();
    for mut zone in table.tables("zone") {
        let (name, kind) = (zone.text("id"), zone.choice("kind", &kinds));
        let flat = zone.numbers("corners");
        if flat.len() % 2 != 0 || flat.is_empty() {
            zone.problem("corners must be x, y, x, y, … as shares of the picture (0 to 1)");
        }
        zone.finish();
        if let (Some(name), Some(kind)) = (name, kind) {
            let corners = flat.as_chunks::<2>().0.iter().map(|[x, y]| [*x as f32, *y as f32]).collect();
            zones.push(Zone { name, kind, corners });
        }
    }
    let base = CameraProfile::default();
    CameraProfile {
        person_height_min: keys.person_height_min.map_or(base.person_height_min, |share| share as f32),
        motionless_s: keys.motionless_s.map_or(base.motionless_s, |seconds| seconds as f32),
        zones,
        hours: hours(table),
        ..base
    }
}

fn hours(table: &mut Table<'_>) -> Vec<Hours> {
    let mut found = Vec::new();
    for text in table.texts("hours") {
        let span = text.split_once('-').and_then(|(a, b)| Some((minute_of_day(a)?, minute_of_day(b)?)));
        match span {
            Some((from_min, to_min)) => found.push(Hours { from_min, to_min }),
            None => table.problem(format!("hours {text:?} is not a span such as 22:00-06:00")),
        }
    }
    found
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

fn utc_offset(table: &mut Table<'_>) -> i32 {
    // China keeps one time.
    table.int_opt("utc_offset_min", -720..=840).unwrap_or(480)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_secret_and_pictures_do_not_travel_in_the_open() {
        assert!(rtsp_url("rtsp://cam/1").is_ok());
        for bad in ["http://cam", "rtsp://a:b@cam/1", "rtsp://", "rtsp:///x"] {
            assert!(rtsp_url(bad).is_err(), "{bad}");
        }
        assert_eq!(upload_url("https://hq:8443/"), Ok("https://hq:8443".into()));
        assert!(upload_url("http://127.0.0.1:8080").is_ok());
        for bad in ["http://hq", "ftp://hq", "https://a:b@hq", "https://hq/path", "hq"] {
            assert!(upload_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_of_day_is_read_or_refused() {
        assert_eq!(minute_of_day("06:30"), Some(390));
        assert_eq!(minute_of_day("24:00"), Some(1_440));
        for bad in ["", "6", "25:00", "06:60", "24:01", "a:b"] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
    }
}
