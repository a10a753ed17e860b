//! From TOML text to the parts of a dam file. Each table is read by itself, so that a mistake in one
//! does not hide those in the others.

use super::{Dam, DamFile, DamProblem, Geometry};
use serde::de::DeserializeOwned;
use toml::Value;

struct Reader<'a> {
    name: &'a str,
    left: toml::Table,
    problems: Vec<DamProblem>,
}

/// Reads a file; `None` when a part that nothing can do without is missing or wrong.
pub(super) fn read(name: &str, text: &str) -> (Option<DamFile>, Vec<DamProblem>) {
    if text.len() > DamFile::BYTES_MAX {
        let what = format!("is {} bytes long; at most {} are allowed", text.len(), DamFile::BYTES_MAX);
        return (None, vec![DamProblem { place: name.to_owned(), what }]);
    }
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let what = format!("not valid TOML: {}", error.message());
            return (None, vec![DamProblem { place: format!("{name}: line {line}"), what }]);
        }
    };
    let mut reader = Reader { name, left: table, problems: Vec::new() };
    let file = reader.file();
    (file, reader.problems)
}

impl Reader<'_> {
    fn file(&mut self) -> Option<DamFile> {
        let version: Option<String> = self.required("version");
        let document: Option<String> = self.required("document");
        let dam: Option<Dam> = self.required("dam");
        let geometry: Option<Geometry> = self.required("geometry");
        let sections = self.list("section", DamFile::LIST_MAX);
        let calibrations = self.list("calibration", DamFile::DERIVED_MAX);
        let derived = self.list("derived", DamFile::DERIVED_MAX);
        let checks = self.list("check", DamFile::RULES_MAX);
        let common_mode = self.list("common_mode", DamFile::LIST_MAX);
        let items = self.list("item", DamFile::LIST_MAX);
        let escalation = self.optional("escalation").unwrap_or_default();
        let hazards = self.list("hazard", DamFile::LIST_MAX);
        let tarps = self.list("tarp", DamFile::LIST_MAX);
        let forecasts = self.list("forecast", DamFile::FORECASTS_MAX);
        let sampling = self.optional("sampling").unwrap_or_default();
        for key in std::mem::take(&mut self.left).keys() {
            self.problem("", format!("unknown key {key:?}"));
        }
        Some(DamFile {
            version: version?,
            document: document?,
            dam: dam?,
            geometry: geometry?,
            sections,
            calibrations,
            derived,
            checks,
            common_mode,
            items,
            escalation,
            hazards,
            tarps,
            sampling,
            forecasts,
        })
    }

    fn problem(&mut self, place: &str, what: String) {
        let place = if place.is_empty() { self.name.to_owned() } else { format!("{}: {place}", self.name) };
        self.problems.push(DamProblem { place, what });
    }

    fn read<T: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<T> {
        match value.try_into::<T>() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(place, error.message().trim().replace('\n', " "));
                None
            }
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.left.remove(key)?;
        self.read(key, value)
    }

    fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if !self.left.contains_key(key) {
            self.problem("", format!("{key} is missing"));
        }
        self.optional(key)
    }

    fn list<T: DeserializeOwned>(&mut self, key: &str, most: usize) -> Vec<T> {
        let values = match self.left.remove(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(key, format!("must be a list of tables, written [[{key}]]"));
                return Vec::new();
            }
        };
        if values.len() > most {
            self.problem(key, format!("has {} entries; at most {most} are allowed", values.len()));
            return Vec::new();
        }
        let mut read = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let id = ["id", "point", "instrument", "level"].iter().find_map(|key| value.get(key)?.as_str());
            let place = format!("{key}[{index}]{}", id.map(|id| format!(" {id:?}")).unwrap_or_default());
            read.extend(self.read(&place, value));
        }
        read
    }
}
