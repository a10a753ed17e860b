//! The mapping file: from a source's own fields to the elements of the dictionary.

use crate::bytes::Encoding;
use crate::number::Style;
use jiff::tz::TimeZone;
use minewatch_domain::OrgPath;
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::{ElementId, FactKind, ValueType};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Largest mapping file.
pub const BYTES_MAX: usize = 1 << 20;
/// Fields of one mapping.
const FIELDS_MAX: usize = 500;

/// How the source is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Values parted by a character, names in the first row.
    Csv,
    /// Values parted by tabulators.
    Tsv,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// XML.
    Xml,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    layout: Layout,
    kind: String,
    key: Vec<String>,
    event_at: Option<String>,
    encoding: Option<String>,
    delimiter: Option<String>,
    skip_lines: Option<u64>,
    records: Option<String>,
    zone: Option<String>,
    org: Option<String>,
    org_from: Option<String>,
    #[serde(default)]
    org_map: BTreeMap<String, String>,
    #[serde(default)]
    field: Vec<RawField>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    to: String,
    from: Option<OneOrMany>,
    constant: Option<String>,
    default: Option<String>,
    #[serde(default)]
    dates: Vec<String>,
    decimal: Option<String>,
    group: Option<String>,
    scale: Option<i32>,
    currency: Option<String>,
    currency_from: Option<String>,
    #[serde(default)]
    map: BTreeMap<String, String>,
    #[serde(default)]
    empty: Vec<String>,
}

/// Where a field's value comes from, and how it is written.
#[derive(Debug, Clone)]
pub struct Field {
    /// The element.
    pub to: ElementId,
    /// Its type.
    pub value_type: ValueType,
    /// Names in the source, the first that is there counts.
    pub from: Vec<String>,
    /// A value that is always the same.
    pub constant: Option<String>,
    /// The value where the source says none.
    pub default: Option<String>,
    /// Forms of dates (strptime), tried in turn; ISO 8601 is always read.
    pub dates: Vec<String>,
    /// Form of numbers.
    pub style: Style,
    /// Amounts are in 10 to this power of the currency: 4 for 万元.
    pub scale: i32,
    /// Currency of amounts.
    pub currency: String,
    /// The source's field with the currency.
    pub currency_from: Option<String>,
    /// Source's words for ours.
    pub map: BTreeMap<String, String>,
    /// What stands for nothing.
    pub empty: Vec<String>,
}

/// A mapping that can be used.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Layout of the source.
    pub layout: Layout,
    /// What each record is.
    pub kind: FactKind,
    /// Elements (or source fields) that name a record.
    pub key: Vec<String>,
    /// The element that says when it happened.
    pub event_at: Option<ElementId>,
    /// Encoding.
    pub encoding: Encoding,
    /// Between values of a row.
    pub delimiter: u8,
    /// Lines before the row of names.
    pub skip_lines: u64,
    /// Where records stand: a JSON pointer, or a path of XML elements.
    pub records: String,
    /// Zone of times without one.
    pub zone: TimeZone,
    /// The unit of all records.
    pub org: Option<OrgPath>,
    /// The source's field with the unit.
    pub org_from: Option<String>,
    /// Units by the source's words.
    pub org_map: BTreeMap<String, OrgPath>,
    /// Fields.
    pub fields: Vec<Field>,
}

/// Reads one ASCII character.
fn character(key: &str, text: Option<&str>, default: u8, problems: &mut Vec<String>) -> u8 {
    match text {
        None => default,
        Some("") => 0,
        Some("\\t") => b'\t',
        Some(text) if text.len() == 1 => text.as_bytes().first().copied().unwrap_or(default),
        Some(text) => {
            problems.push(format!("{key}: {text:?} must be one ASCII character"));
            default
        }
    }
}

impl Mapping {
    /// Reads a mapping file; every problem is named with its key.
    ///
    /// # Errors
    /// The problems.
    pub fn parse(text: &str, dictionary: &Dictionary) -> Result<Mapping, Vec<String>> {
        if text.len() > BYTES_MAX {
            return Err(vec![format!("longer than {BYTES_MAX} bytes")]);
        }
        let raw: Raw = toml::from_str(text).map_err(|error| vec![error.to_string().trim().to_owned()])?;
        let mut problems = Vec::new();
        let mapping = Mapping::check(raw, dictionary, &mut problems);
        match (mapping, problems.is_empty()) {
            (Some(mapping), true) => Ok(mapping),
            _ => Err(problems),
        }
    }

    fn check(raw: Raw, dictionary: &Dictionary, problems: &mut Vec<String>) -> Option<Mapping> {
        let known: Vec<String> = dictionary.kinds().map(ToString::to_string).collect();
        if !known.contains(&raw.kind) {
            problems.push(format!("kind: the dictionary has no kind {:?}; it has {}", raw.kind, known.join(", ")));
            return None;
        }
        let kind = FactKind::parse(&raw.kind).ok()?;
        if raw.field.len() > FIELDS_MAX {
            problems.push(format!("field: {} fields; at most {FIELDS_MAX} are read", raw.field.len()));
        }
        let fields: Vec<Field> =
            raw.field.iter().filter_map(|field| Field::check(field, &raw.kind, dictionary, problems)).collect();
        for element in dictionary.elements(&raw.kind).filter(|element| element.required) {
            if !fields.iter().any(|field| field.to == element.id) {
                problems.push(format!("field: {} is required in {} and nothing maps to it", element.id, raw.kind));
            }
        }
        let to = |name: &String| fields.iter().find(|field| field.to.as_str() == name);
        if raw.key.is_empty() {
            problems.push("key: name the elements that identify a record".to_owned());
        }
        let event_at = raw.event_at.as_ref().and_then(|name| match to(name) {
            Some(field) if matches!(field.value_type, ValueType::Date | ValueType::Instant) => Some(field.to.clone()),
            _ => {
                problems.push(format!("event_at: {name:?} is not a mapped element with a date or an instant"));
                None
            }
        });
        let zone = raw.zone.as_deref().unwrap_or("Asia/Shanghai");
        let zone = TimeZone::get(zone).map_err(|error| problems.push(format!("zone: {error}"))).ok();
        let mut org =
            |key: &str, text: &str| OrgPath::parse(text).map_err(|error| problems.push(format!("{key}: {error}"))).ok();
        let org_map =
            raw.org_map.iter().filter_map(|(word, path)| Some((word.clone(), org("org_map", path)?))).collect();
        let fixed = raw.org.as_deref().and_then(|path| org("org", path));
        let encoding = raw.encoding.as_deref().unwrap_or("auto");
        let encoding = Encoding::from_name(encoding).unwrap_or_else(|| {
            problems.push(format!("encoding: {encoding:?} is not known; utf-8, gb18030, utf-16, windows-1252 or auto"));
            Encoding::Auto
        });
        let default = if raw.layout == Layout::Tsv { b'\t' } else { b',' };
        Some(Mapping {
            layout: raw.layout,
            kind,
            key: raw.key,
            event_at,
            encoding,
            delimiter: character("delimiter", raw.delimiter.as_deref(), default, problems),
            skip_lines: raw.skip_lines.unwrap_or(0),
            records: raw.records.unwrap_or_default(),
            zone: zone?,
            org: fixed,
            org_from: raw.org_from,
            org_map,
            fields,
        })
    }
}

impl Field {
    fn check(raw: &RawField, kind: &str, dictionary: &Dictionary, problems: &mut Vec<String>) -> Option<Field> {
        let Some(element) = dictionary.element(kind, &raw.to) else {
            let known: Vec<String> = dictionary.elements(kind).map(|element| element.id.to_string()).collect();
            problems.push(format!("field.to: {kind} has no element {:?}; it has {}", raw.to, known.join(", ")));
            return None;
        };
        let from = match &raw.from {
            None => Vec::new(),
            Some(OneOrMany::One(name)) => vec![name.clone()],
            Some(OneOrMany::Many(names)) => names.clone(),
        };
        if from.is_empty() && raw.constant.is_none() {
            problems.push(format!("field {}: needs from or constant", raw.to));
        }
        let currency = raw.currency.clone().unwrap_or_else(|| "CNY".to_owned());
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            problems.push(format!("field {}: currency {currency:?} must be three capital letters", raw.to));
        }
        if raw.scale.is_some_and(|scale| !(-6..=12).contains(&scale)) {
            problems.push(format!("field {}: scale must be -6 to 12", raw.to));
        }
        let sign = |key: &str| format!("field {}.{key}", raw.to);
        Some(Field {
            to: element.id.clone(),
            value_type: element.value_type,
            from,
            constant: raw.constant.clone(),
            default: raw.default.clone(),
            dates: raw.dates.clone(),
            style: Style {
                point: character(&sign("decimal"), raw.decimal.as_deref(), b'.', problems),
                group: character(&sign("group"), raw.group.as_deref(), b',', problems),
            },
            scale: raw.scale.unwrap_or(0),
            currency,
            currency_from: raw.currency_from.clone(),
            map: raw.map.clone(),
            empty: raw.empty.clone(),
        })
    }
}
