//! How well a camera sees, judged on small grey pictures.
//!
//! ```text
//!   Unknown ──frames, nothing wrong──▶ Clear ◀──wrong no more for clear_ms──┐
//!      │                                 │                                  │
//!      └──wrong for raise_ms──▶ Blind(reason) ◀──another reason, raise_ms───┘
//! ```
//!
//! Invariants: no pictures is blindness, never quiet; a reason must hold for its time before it is
//! said, and be gone for `clear_ms` before it is taken back; the reference of a picture is learned
//! only while the camera sees well. Deliberately absent: who is told (the gateway).

use crate::luma::Luma;

/// Why a camera cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blindness {
    /// No pictures arrive.
    NoFrames,
    /// The same picture comes again and again.
    Frozen,
    /// Too dark to see anybody.
    Dark,
    /// The lens is covered, or fogged over: no detail left.
    Covered,
    /// Much less detail than before: out of focus, dust, fog.
    Blurred,
    /// The camera looks somewhere else; its zones no longer fit.
    Moved,
}

impl Blindness {
    /// Every reason.
    pub const ALL: [Blindness; 6] = [
        Blindness::NoFrames,
        Blindness::Frozen,
        Blindness::Dark,
        Blindness::Covered,
        Blindness::Blurred,
        Blindness::Moved,
    ];

    /// Name in messages and alarms.
    pub fn name(self) -> &'static str {
        match self {
            Blindness::NoFrames => "no_frames",
            Blindness::Frozen => "frozen",
            Blindness::Dark => "dark",
            Blindness::Covered => "covered",
            Blindness::Blurred => "blurred",
            Blindness::Moved => "moved",
        }
    }

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Blindness> {
        Blindness::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What is known of a camera's sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Not long enough watched.
    Unknown,
    /// Sees well.
    Clear,
    /// Does not.
    Blind(Blindness),
}

/// Limits of the judgement. Brightness in grey levels of 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthLimits {
    /// Without a picture for this long, milliseconds.
    pub no_frames_ms: u64,
    /// Without change for this long, milliseconds; 0: not judged.
    pub frozen_ms: u64,
    /// A reason must hold this long, milliseconds.
    pub raise_ms: u64,
    /// And be gone this long, milliseconds.
    pub clear_ms: u64,
    /// 95 % of the picture below this is dark.
    pub dark_p95: u8,
    /// Sharpness below this is no detail at all.
    pub covered_sharpness: f32,
    /// Share of the usual sharpness below which a picture is blurred.
    pub blurred_share: f32,
    /// Likeness (−1 to 1) of edges to the reference below which the camera has moved.
    pub moved_likeness: f32,
}

impl Default for HealthLimits {
    fn default() -> HealthLimits {
        HealthLimits {
            no_frames_ms: 5_000,
            frozen_ms: 60_000,
            raise_ms: 5_000,
            clear_ms: 3_000,
            dark_p95: 28,
            covered_sharpness: 0.9,
            blurred_share: 0.35,
            moved_likeness: 0.35,
        }
    }
}

/// Pictures learned from before blurred and moved are judged: a minute at one picture a second.
const LEARNED_MIN: u32 = 20;

/// Weight of a new picture in the reference: minutes, so that the sun may wander.
const LEARN_RATE: f32 = 0.02;

/// Largest difference of a block between two pictures of a frozen camera; coding noise stays below.
const FROZEN_BLOCK: u8 = 1;

/// Judges one camera.
#[derive(Debug, Clone)]
pub struct Judge {
    limits: HealthLimits,
    sight: Sight,
    started_ms: u64,
    seen_ms: Option<u64>,
    changed_ms: u64,
    before: Option<Luma>,
    reference: Option<Reference>,
    /// The wrong thing seen now, and since when.
    suspect: Option<(Blindness, u64)>,
    well_since_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Reference {
    gradients: Vec<(f32, f32)>,
    sharpness: f32,
    pictures: u32,
}

impl Judge {
    /// Starts watching at `now_ms`.
    pub fn new(limits: HealthLimits, now_ms: u64) -> Judge {
        Judge {
            limits,
            sight: Sight::Unknown,
            started_ms: now_ms,
            seen_ms: None,
            changed_ms: now_ms,
            before: None,
            reference: None,
            suspect: None,
            well_since_ms: None,
        }
    }

    /// What is known now.
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Takes a picture; the new sight when it changed.
    pub fn picture(&mut self, picture: &Luma, now_ms: u64) -> Option<Sight> {
        self.seen_ms = Some(now_ms);
        let same = self
            .before
            .as_ref()
            .and_then(|b| picture.difference(b))
            .is_some_and(|(largest, _)| largest <= FROZEN_BLOCK);
        if !same {
            self.changed_ms = now_ms;
            self.before = Some(picture.clone());
        }
        let wrong = self.wrong_with(picture, now_ms);
        if wrong.is_none() {
            self.learn(picture);
        }
        self.settle(wrong, now_ms)
    }

    /// Time passed without a picture; the new sight when it changed.
    pub fn tick(&mut self, now_ms: u64) -> Option<Sight> {
        let since = self.seen_ms.unwrap_or(self.started_ms);
        if now_ms.saturating_sub(since) < self.limits.no_frames_ms {
            return None;
        }
        // Silence has had its time already.
        self.suspect = Some((Blindness::NoFrames, since));
        self.well_since_ms = None;
        self.become_sight(Sight::Blind(Blindness::NoFrames))
    }

    fn wrong_with(&self, picture: &Luma, now_ms: u64) -> Option<Blindness> {
        if self.limits.frozen_ms > 0 && now_ms.saturating_sub(self.changed_ms) >= self.limits.frozen_ms {
            return Some(Blindness::Frozen);
        }
        if picture.quantile(0.95) < self.limits.dark_p95 {
            return Some(Blindness::Dark);
        }
        let sharpness = picture.sharpness();
        if sharpness < self.limits.covered_sharpness {
            return Some(Blindness::Covered);
        }
        let reference = self.reference.as_ref().filter(|r| r.pictures >= LEARNED_MIN)?;
        if sharpness < reference.sharpness * self.limits.blurred_share {
            return Some(Blindness::Blurred);
        }
        let likeness = likeness(&reference.gradients, &picture.gradients())?;
        (likeness < self.limits.moved_likeness).then_some(Blindness::Moved)
    }

    fn learn(&mut self, picture: &Luma) {
        let (gradients, sharpness) = (picture.gradients(), picture.sharpness());
        match &mut self.reference {
            Some(known) if known.gradients.len() == gradients.len() => {
                let rate = LEARN_RATE.max(1.0 / (known.pictures + 1) as f32);
                for (old, new) in known.gradients.iter_mut().zip(&gradients) {
                    old.0 += (new.0 - old.0) * rate;
                    old.1 += (new.1 - old.1) * rate;
                }
                known.sharpness += (sharpness - known.sharpness) * rate;
                known.pictures = known.pictures.saturating_add(1);
            }
            Some(_) | None => self.reference = Some(Reference { gradients, sharpness, pictures: 1 }),
        }
    }

    fn settle(&mut self, wrong: Option<Blindness>, now_ms: u64) -> Option<Sight> {
        let Some(reason) = wrong else {
            self.suspect = None;
            let since = *self.well_since_ms.get_or_insert(now_ms);
            return match self.sight {
                Sight::Clear => None,
                Sight::Unknown => self.become_sight(Sight::Clear),
                Sight::Blind(_) if now_ms.saturating_sub(since) >= self.limits.clear_ms => {
                    self.become_sight(Sight::Clear)
                }
                Sight::Blind(_) => None,
            };
        };
        self.well_since_ms = None;
        let since = match self.suspect {
            Some((known, since)) if known == reason => since,
            Some(_) | None => now_ms,
        };
        self.suspect = Some((reason, since));
        // A frozen picture has had its time already.
        let long_enough = reason == Blindness::Frozen || now_ms.saturating_sub(since) >= self.limits.raise_ms;
        if long_enough { self.become_sight(Sight::Blind(reason)) } else { None }
    }

    fn become_sight(&mut self, sight: Sight) -> Option<Sight> {
        let changed = self.sight != sight;
        self.sight = sight;
        changed.then_some(sight)
    }
}

/// Normalised correlation of two gradient fields: 1 for the same edges, about 0 for others. `None`
/// when either has no edges or they differ in size.
fn likeness(a: &[(f32, f32)], b: &[(f32, f32)]) -> Option<f32> {
    if a.len() != b.len() {
        return None;
    }
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for ((ax, ay), (bx, by)) in a.iter().zip(b) {
        ab += ax * bx + ay * by;
        aa += ax * ax + ay * ay;
        bb += bx * bx + by * by;
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
