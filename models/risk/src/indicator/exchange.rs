//! The catalogue as CSV, and as DCAT (JSON-LD).

use super::catalogue::{Catalogue, Indicator};
use serde_json::{Value, json};
use std::borrow::Cow;

/// A cell no spreadsheet runs as a formula.
pub fn sheet_safe(text: &str) -> Cow<'_, str> {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => Cow::Owned(format!("'{text}")),
        Some(_) | None => Cow::Borrowed(text),
    }
}

impl Catalogue {
    /// One line per indicator.
    pub fn to_csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        let head = [
            "id",
            "area",
            "name_zh",
            "name_en",
            "sort",
            "formula",
            "unit",
            "direction",
            "owner",
            "version",
            "valid_from",
        ];
        // Writing to memory does not fail.
        let _ = out.write_record(head);
        for i in &self.indicators {
            let direction = format!("{:?}", i.direction).to_lowercase();
            let version = i.version.to_string();
            let cells = [
                &i.id,
                &i.area,
                &i.name_zh,
                &i.name_en,
                i.sort,
                &i.formula,
                &i.unit,
                &direction,
                &i.owner,
                &version,
                i.valid_from,
            ];
            let _ = out.write_record(cells.map(|cell| sheet_safe(cell).into_owned()));
        }
        out.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// A DCAT 3 catalogue with one dataset per indicator.
    pub fn to_dcat(&self) -> Value {
        let datasets: Vec<Value> = self.indicators.iter().map(dataset).collect();
        json!({
            "@context": { "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/" },
            "@type": "dcat:Catalog",
            "dct:title": [{ "@value": "数据资产目录", "@language": "zh" }, { "@value": "data-asset catalogue", "@language": "en" }],
            "dcat:dataset": datasets,
        })
    }
}

fn dataset(i: &Indicator) -> Value {
    json!({
        "@type": "dcat:Dataset",
        "dct:identifier": i.id,
        "dct:title": [{ "@value": i.name_zh, "@language": "zh" }, { "@value": i.name_en, "@language": "en" }],
        "dct:description": i.formula,
        "dcat:theme": i.area,
        "dcat:version": i.version.to_string(),
        "dct:publisher": i.owner,
        "dct:accrualPeriodicity": "monthly",
    })
}
