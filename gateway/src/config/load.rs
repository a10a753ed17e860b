//! Reads the site file and the files it names; the thin shell around [`build`].

use super::build::{SENSORS_DIR_DEFAULT, Texts, build};
use super::build_camera::PROFILES_DIR_DEFAULT;
use super::{Problem, SiteConfig};
use std::collections::BTreeSet;
use std::path::Path;

/// Largest file read: a site of 20 000 points in CSV stays below it; anything longer is not a configuration.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Instrument files listed for suggestions; beyond that a mistyped name gets none.
const AVAILABLE_MAX: usize = 5_000;

/// Loads and validates a site.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path) -> Result<SiteConfig, Vec<Problem>> {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let mut problems = Vec::new();
    let mut texts =
        Texts { site_name: name, dir: path.parent().map(Path::to_path_buf).unwrap_or_default(), ..Texts::default() };
    match read(path) {
        Ok(text) => texts.site = text,
        Err(problem) => return Err(vec![problem]),
    }
    let needs = needs(&texts.site);
    let sensors = texts.dir.join(&needs.sensors);
    texts.available = available(&sensors);
    for id in needs.instruments {
        let file = sensors.join(format!("{id}.toml"));
        if !file.exists() {
            continue; // `build` names the device, and the file that may be meant
        }
        match read(&file) {
            Ok(text) => drop(texts.instruments.insert(id, text)),
            Err(problem) => problems.push(problem),
        }
    }
    for import in needs.imports {
        match read(&texts.dir.join(&import)) {
            Ok(text) => drop(texts.imports.insert(import, text)),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(dam) = needs.dam {
        match read(&texts.dir.join(&dam)) {
            Ok(text) => texts.dam = Some(text),
            Err(problem) => problems.push(problem),
        }
    }
    for id in needs.profiles {
        let file = texts.dir.join(&needs.cameras).join(format!("{id}.toml"));
        if !file.exists() {
            continue; // `build` names the camera
        }
        match read(&file) {
            Ok(text) => drop(texts.profiles.insert(id, text)),
            Err(problem) => problems.push(problem),
        }
    }
    match build(&texts) {
        Ok(site) if problems.is_empty() => Ok(site),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

struct Needs {
    sensors: String,
    instruments: BTreeSet<String>,
    imports: BTreeSet<String>,
    dam: Option<String>,
    cameras: String,
    profiles: BTreeSet<String>,
}

/// The files a site names. Lenient: what is wrong with the text is `build`'s to say.
fn needs(site: &str) -> Needs {
    let table = site.parse::<toml::Table>().unwrap_or_default();
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    let devices = table.get("device").and_then(toml::Value::as_array);
    let instruments = devices
        .into_iter()
        .flatten()
        .filter_map(|device| device.get("instrument").and_then(text))
        .filter(|id| super::is_slug(id))
        .collect();
    let imports = match table.get("points_csv") {
        Some(toml::Value::Array(names)) => names.iter().filter_map(text).collect(),
        Some(single) => text(single).into_iter().collect(),
        None => BTreeSet::new(),
    };
    let sensors = table.get("sensors").and_then(text).unwrap_or_else(|| SENSORS_DIR_DEFAULT.to_owned());
    let entries = table.get("camera").and_then(toml::Value::as_array);
    let profiles = entries
        .into_iter()
        .flatten()
        .filter_map(|camera| camera.get("profile").and_then(text))
        .filter(|id| super::is_slug(id))
        .collect();
    let cameras = table.get("camera_profiles").and_then(text).unwrap_or_else(|| PROFILES_DIR_DEFAULT.to_owned());
    Needs { sensors, instruments, imports, dam: table.get("dam").and_then(text), cameras, profiles }
}

/// Ids of the instrument files in a folder; empty when it cannot be listed.
fn available(sensors: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(sensors).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .take(AVAILABLE_MAX)
        .collect()
}

fn read(path: &Path) -> Result<String, Problem> {
    let problem = |what: String| Problem { place: path.display().to_string(), what };
    let size = std::fs::metadata(path).map_err(|error| problem(format!("cannot be read: {error}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(problem(format!("is {size} bytes long; at most {FILE_BYTES_MAX} are allowed")));
    }
    std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))
}
