//! What a site looks like to people far away: where it stands, the dam's cross-sections and items,
//! its cameras. Travels in the first part of the catalogue.
//!
//! Invariant: an outline is at most [`SiteOutline::BYTES_MAX`] of JSON; what does not fit is left out
//! by whoever makes it. Deliberately absent: limits of points (the catalogue has them) and levels.

use crate::PointId;
use serde::{Deserialize, Serialize};

/// A name in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BothNames {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A position on the ground, degrees, WGS 84 or CGCS 2000 (they differ by centimetres). Never GCJ-02.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// East of Greenwich, -180 to 180.
    pub longitude: f64,
    /// North of the equator, -90 to 90.
    pub latitude: f64,
}

impl Location {
    /// A position on Earth, or nothing.
    pub fn new(longitude: f64, latitude: f64) -> Option<Location> {
        let there = (-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude);
        there.then_some(Location { longitude, latitude })
    }
}

/// A monitored item and the points that are judged for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemOutline {
    /// Slug; its alarm is `{id}.item`.
    pub id: PointId,
    /// What it monitors, for example `phreatic`.
    pub kind: String,
    /// Name.
    pub name: BothNames,
    /// Points with a rule, in the dam file's order.
    pub points: Vec<PointId>,
}

/// A piezometer in a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PiezometerOutline {
    /// The point with the head, m above the site datum.
    pub point: PointId,
    /// Metres downstream of the crest; negative in the beach.
    pub x_m: f64,
}

/// A cross-section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SectionOutline {
    /// Slug.
    pub id: PointId,
    /// Name.
    pub name: BothNames,
    /// Impervious base, m above the site datum.
    pub base_m: f64,
    /// Ground, `[x downstream of the crest, height]` in m, x increasing.
    pub surface: Vec<[f64; 2]>,
    /// Piezometers, x increasing.
    pub piezometers: Vec<PiezometerOutline>,
}

/// The dam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DamOutline {
    /// Slug; the alarm of the whole pond is `{id}.pond`.
    pub id: PointId,
    /// Name.
    pub name: BothNames,
    /// Class by GB 39496-2020, 1 to 5.
    pub class: u8,
    /// Lowest crest, m above the site datum.
    pub crest_m: f64,
    /// Design flood level, m above the site datum.
    pub design_flood_level_m: Option<f64>,
    /// Local time, hours east of UTC.
    pub utc_offset_h: f64,
    /// Cross-sections.
    pub sections: Vec<SectionOutline>,
    /// Items.
    pub items: Vec<ItemOutline>,
}

/// A camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraOutline {
    /// Device id; its alarms are `{id}.fall` and `{id}.camera-health`.
    pub id: String,
    /// Name.
    pub name: BothNames,
}

/// What a site looks like.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SiteOutline {
    /// Where it stands, where the configuration says so.
    pub location: Option<Location>,
    /// Its dam.
    pub dam: Option<DamOutline>,
    /// Its cameras.
    #[serde(default)]
    pub cameras: Vec<CameraOutline>,
}

impl SiteOutline {
    /// Largest outline, as JSON: with 200 points beside it a catalogue stays below 1 MiB.
    pub const BYTES_MAX: usize = 256 * 1024;

    /// The outline with its sections left out, and then its dam, until it fits.
    #[must_use]
    pub fn bounded(mut self) -> SiteOutline {
        let fits = |outline: &SiteOutline| {
            serde_json::to_string(outline).is_ok_and(|text| text.len() <= SiteOutline::BYTES_MAX)
        };
        if !fits(&self)
            && let Some(dam) = &mut self.dam
        {
            dam.sections.clear();
        }
        if !fits(&self) {
            self.dam = None;
        }
        if !fits(&self) {
            self.cameras.clear();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(surface: usize) -> SiteOutline {
        let id = PointId::parse("main").expect("slug");
        let surface = vec![[1.5, 2.5]; surface];
        let name = BothNames::default();
        let section =
            SectionOutline { id: id.clone(), name: name.clone(), base_m: 0.0, surface, piezometers: Vec::new() };
        let dam = DamOutline {
            id,
            name,
            class: 4,
            crest_m: 125.0,
            design_flood_level_m: None,
            utc_offset_h: 8.0,
            sections: vec![section],
            items: Vec::new(),
        };
        SiteOutline { location: Location::new(117.9, 30.9), dam: Some(dam), cameras: Vec::new() }
    }

    #[test]
    fn an_outline_that_is_too_long_loses_its_sections_first() {
        assert_eq!(outline(10).bounded(), outline(10));
        let cut = outline(100_000).bounded();
        assert_eq!(cut.dam.expect("a dam").sections.len(), 0);
        assert!(cut.location.is_some());
    }

    #[test]
    fn a_position_is_on_earth() {
        assert!(Location::new(117.9, 30.9).is_some());
        assert!(Location::new(181.0, 0.0).is_none());
        assert!(Location::new(0.0, f64::NAN).is_none());
    }

    #[test]
    fn a_catalogue_of_an_older_gateway_has_no_outline() {
        let text = r#"{"location":null,"dam":null}"#;
        assert_eq!(serde_json::from_str::<SiteOutline>(text).expect("reads"), SiteOutline::default());
    }
}
