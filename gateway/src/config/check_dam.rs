//! The dam file beside the site file: every measured point is there, in the unit its formulas ask for,
//! and no number has two owners.

use super::problem::Problems;
use super::site::SiteConfig;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::model::Plan;
use minewatch_domain::PointId;
use std::collections::BTreeMap;

/// Adds every problem between a site and its dam file.
pub(super) fn check(file: &str, site: &SiteConfig, dam: &DamFile, problems: &Problems) {
    let plan = match Plan::new(dam.clone()) {
        Ok(plan) => plan,
        Err(found) => {
            found.into_iter().for_each(|problem| problems.add(format!("{file}: dam"), problem));
            return;
        }
    };
    let known: BTreeMap<&PointId, &str> = site.points.iter().map(|point| (&point.id, point.unit.as_str())).collect();
    for point in plan.measured().filter(|point| !known.contains_key(point)) {
        let near = super::problem::did_you_mean(point.as_str(), known.keys().map(|known| known.as_str()));
        problems.add(format!("{file}: dam"), format!("point {:?} is not measured at this site{near}", point.as_str()));
    }
    for derived in &dam.derived {
        let place = || format!("{file}: dam: derived {:?}", derived.point.as_str());
        if known.contains_key(&derived.point) {
            problems.add(place(), "is measured already; a computed point needs an id of its own");
        }
        for (input, wanted) in derived.formula.input_units() {
            let made = dam.derived.iter().find(|other| other.point == input).map(|other| other.unit.as_str());
            let Some(unit) = made.or_else(|| known.get(&input).copied()) else { continue };
            if !same_unit(unit, wanted) {
                problems.add(place(), format!("{input} is in {unit:?} but the formula takes {wanted:?}"));
            }
        }
    }
    for point in &site.points {
        if point.levels.any() && plan.has_rule(&point.id) {
            problems.add(
                format!("{file}: point {:?}", point.id.as_str()),
                "has limits here and in the dam file; keep those of the dam file, so that each number has one owner",
            );
        }
    }
}

fn same_unit(a: &str, b: &str) -> bool {
    let plain = |unit: &str| unit.replace("°C", "℃");
    plain(a) == plain(b)
}
