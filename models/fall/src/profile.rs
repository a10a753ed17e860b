//! What a camera sees and where: zones, masks, sizes and hours, as a site engineer draws them.
//!
//! Invariant: places are shares of the picture (0 to 1 on both axes), so a change of resolution changes
//! no zone. A profile without zones is a camera on level ground. Deliberately absent: how the camera is
//! reached (`gateway`) and where the profile is stored.

use crate::pose::Spot;
use serde::{Deserialize, Serialize};

/// Zones of one camera; more are refused, since nobody could look through them.
pub const ZONES_MAX: usize = 32;
/// Corners of one zone.
pub const CORNERS_MAX: usize = 64;

/// What the decision knows about a camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraProfile {
    /// Width ÷ height of the picture.
    pub aspect: f32,
    /// People of whom fewer than this share of the picture's height is a standing height are not judged.
    pub person_height_min: f32,
    /// Areas with a meaning of their own.
    pub zones: Vec<Zone>,
    /// A person who lies still this long is an event, in seconds.
    pub motionless_s: f32,
    /// Hours in which falls are watched for; none means always.
    pub hours: Vec<Hours>,
}

impl Default for CameraProfile {
    /// Level ground, 16:9, always.
    fn default() -> Self {
        Self { aspect: 16.0 / 9.0, person_height_min: 0.06, zones: Vec::new(), motionless_s: 60.0, hours: Vec::new() }
    }
}

/// An area or line of the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Name, as shown in an event.
    pub name: String,
    /// What it means.
    pub kind: ZoneKind,
    /// Corners [x, y] in shares of width and height: an area, or the points of a line for `edge`.
    pub corners: Vec<[f32; 2]>,
}

/// What a zone means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// A line behind or below which nothing is seen: the edge of a bench, roof or pit. Somebody who
    /// descends fast and is lost at it has fallen over it.
    Edge,
    /// An area where people stand high or hang in a harness: a fall in it may end in the rope.
    WorkAtHeight,
    /// An area where nobody may be; somebody who descends fast and is lost in it has fallen into it.
    NoGo,
    /// Nothing in it is looked at: a television, a mannequin, a public road.
    Mask,
    /// Somewhere people lie down: a bed or couch. Lying still in it is no event; a fall is.
    Rest,
}

/// A daily span of hours in minutes since local midnight; `to` before `from` goes over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// First minute of the day, 0 to 1439.
    pub from_min: u16,
    /// First minute that is outside again, 0 to 1440.
    pub to_min: u16,
}

impl Hours {
    fn holds(self, minute: u16) -> bool {
        if self.from_min <= self.to_min {
            (self.from_min..self.to_min).contains(&minute)
        } else {
            minute >= self.from_min || minute < self.to_min
        }
    }
}

impl CameraProfile {
    /// A profile of a picture of this aspect, otherwise as given by default.
    #[must_use]
    pub fn of_aspect(aspect: f32) -> Self {
        Self { aspect, ..Self::default() }
    }

    /// Everything that is wrong with it: where and why. An empty list means that it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !(0.1..=10.0).contains(&self.aspect) {
            found.push(format!("aspect is {} but must be 0.1 to 10", self.aspect));
        }
        if !(0.0..=1.0).contains(&self.person_height_min) {
            found.push(format!("person_height_min is {} but must be 0 to 1", self.person_height_min));
        }
        if !(5.0..=3600.0).contains(&self.motionless_s) {
            found.push(format!("motionless_s is {} but must be 5 to 3600", self.motionless_s));
        }
        if self.zones.len() > ZONES_MAX {
            found.push(format!("{} zones, at most {ZONES_MAX} can be judged", self.zones.len()));
        }
        for zone in &self.zones {
            let least = if zone.kind == ZoneKind::Edge { 2 } else { 3 };
            if !(least..=CORNERS_MAX).contains(&zone.corners.len()) {
                found.push(format!(
                    "zone \"{}\": {} corners but must be {least} to {CORNERS_MAX}",
                    zone.name,
                    zone.corners.len()
                ));
            }
            if zone.corners.iter().flatten().any(|share| !(0.0..=1.0).contains(share)) {
                found.push(format!("zone \"{}\": corners are shares of the picture, 0 to 1", zone.name));
            }
        }
        for hours in &self.hours {
            if hours.from_min > 1439 || hours.to_min > 1440 {
                found.push(format!("hours {} to {} are not minutes of a day", hours.from_min, hours.to_min));
            }
        }
        found
    }

    /// Whether falls are watched for at this minute of the local day.
    #[must_use]
    pub fn watches_at(&self, minute_of_day: u16) -> bool {
        self.hours.is_empty() || self.hours.iter().any(|hours| hours.holds(minute_of_day))
    }

    /// The first zone of a kind that holds a place (in picture heights).
    pub(crate) fn zone_at(&self, kind: ZoneKind, spot: Spot) -> Option<&Zone> {
        let place = [spot.x / self.aspect, spot.y];
        self.zones.iter().find(|zone| zone.kind == kind && inside(&zone.corners, place))
    }

    /// The first edge line that a place lies on the far side of or near to: within `reach` picture
    /// heights above it, or below it, where the line runs.
    pub(crate) fn edge_at(&self, spot: Spot, reach: f32) -> Option<&Zone> {
        let x = spot.x / self.aspect;
        self.zones.iter().filter(|zone| zone.kind == ZoneKind::Edge).find(|zone| {
            zone.corners.windows(2).any(|pair| {
                let [a, b] = [pair[0], pair[1]];
                let (left, right) = if a[0] <= b[0] { (a, b) } else { (b, a) };
                if x < left[0] || x > right[0] {
                    return false;
                }
                let share = (x - left[0]) / (right[0] - left[0]).max(1e-6);
                spot.y >= left[1] + share * (right[1] - left[1]) - reach
            })
        })
    }
}

/// Whether a place is inside a polygon (even-odd rule).
fn inside(corners: &[[f32; 2]], [x, y]: [f32; 2]) -> bool {
    let mut odd = false;
    for (index, a) in corners.iter().enumerate() {
        let b = corners[(index + 1) % corners.len()];
        if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
            odd = !odd;
        }
    }
    odd
}
