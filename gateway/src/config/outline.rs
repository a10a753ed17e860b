//! The outline of a site for headquarters, made from its configuration. Pure.

use super::site::SiteConfig;
use crate::instrument::Names;
use minewatch_dam::dam_file::{DamFile, NamedText};
use minewatch_domain::{
    BothNames, CameraOutline, DamOutline, ItemOutline, PiezometerOutline, SectionOutline, SiteOutline,
};

fn text(name: &NamedText) -> BothNames {
    BothNames { zh: name.zh.clone(), en: name.en.clone() }
}

fn names(name: &Names) -> BothNames {
    BothNames { zh: name.zh.clone(), en: name.en.clone() }
}

fn dam(file: &DamFile) -> DamOutline {
    let sections = file.sections.iter().map(|section| SectionOutline {
        id: section.id.clone(),
        name: text(&section.name),
        base_m: section.base_m,
        surface: section.surface.clone(),
        piezometers: section
            .piezometers
            .iter()
            .map(|at| PiezometerOutline { point: at.point.clone(), x_m: at.x_m })
            .collect(),
    });
    let items = file.items.iter().map(|item| {
        let mut points: Vec<_> = item.rules.iter().map(|rule| rule.point.clone()).collect();
        points.dedup();
        let kind = serde_json::to_value(item.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        ItemOutline { id: item.id.clone(), kind: kind.unwrap_or_default(), name: text(&item.name), points }
    });
    DamOutline {
        id: file.dam.id.clone(),
        name: text(&file.dam.name),
        class: file.dam.class,
        crest_m: file.geometry.crest_m,
        design_flood_level_m: file.geometry.design_flood_level_m,
        utc_offset_h: file.dam.utc_offset_h,
        sections: sections.collect(),
        items: items.collect(),
    }
}

/// What the site looks like.
pub(super) fn outline(site: &SiteConfig) -> SiteOutline {
    let cameras = site.cameras.iter().flat_map(|cameras| &cameras.names);
    let cameras = cameras.map(|(id, name)| CameraOutline { id: id.to_string(), name: names(name) });
    SiteOutline { location: site.location, dam: site.dam.as_deref().map(dam), cameras: cameras.collect() }.bounded()
}
