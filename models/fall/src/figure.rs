//! An articulated figure in motion: where the seventeen key points of a person are, in metres, while
//! walking, falling, lying down, bending or climbing, and how a camera sees them.
//!
//! The simulated cameras draw it and the decision is trained and tested on it, so that both mean the
//! same motion. Invariant: a motion is a function of time and of the numbers drawn from one seed.
//! Deliberately absent: anything measured of real people beyond their proportions; what holds for
//! figures is no proof for footage.
//!
//! Axes: x to the right, y away from the camera, z up; the ground is z = 0. A fall on the level is a rod
//! that topples over its feet, θ'' = 3g ÷ 2l · sin θ, while the knees give; a fall from a height is free fall.

use crate::pose::{KeyPoint, POINTS, Pose, Spot};
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Gravity in metres per second squared.
const GRAVITY: f32 = 9.81;

/// A point in metres.
pub type Place = [f32; 3];

/// What the figure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Act {
    Stand,
    Walk,
    Carry,
    Bend,
    Crouch,
    Sit,
    Jump,
    LieDown,
    ClimbDown,
    Fall,
    FallOffChair,
    FallFromHeight,
    Hang,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 13] = [
        Self::Stand,
        Self::Walk,
        Self::Carry,
        Self::Bend,
        Self::Crouch,
        Self::Sit,
        Self::Jump,
        Self::LieDown,
        Self::ClimbDown,
        Self::Fall,
        Self::FallOffChair,
        Self::FallFromHeight,
        Self::Hang,
    ];

    /// Whether it is a fall of any kind.
    #[must_use]
    pub fn is_fall(self) -> bool {
        matches!(self, Self::Fall | Self::FallOffChair | Self::FallFromHeight | Self::Hang)
    }
}

/// Numbers from one seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly spread from `from` to `to`.
    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32;
        from + share * (to - from)
    }

    /// Normally spread around 0 with a deviation of 1, nearly (sum of twelve).
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.between(0.0, 1.0)).sum::<f32>() - 6.0
    }
}

/// A figure doing something, all its numbers drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it does.
    pub act: Act,
    /// Standing height in metres.
    pub height_m: f32,
    /// Where its feet are at the beginning, in metres.
    pub feet: Place,
    /// Direction it faces, in radians from the x axis.
    pub heading: f32,
    /// When the act begins, in seconds; it stands or walks before.
    pub begins_s: f32,
    /// How long the act takes if that is free (bending, lying down), in seconds.
    pub takes_s: f32,
    /// How long a posture is kept (bent, crouched), in seconds.
    pub keeps_s: f32,
    /// Which way it topples, in radians from the heading: 0 forward, π backward.
    pub topples: f32,
    /// How far it comes down (ladder, height, rope), in metres.
    pub descends_m: f32,
    /// How much the knees give in a fall, 0 to 1.
    pub buckles: f32,
    /// Walking speed before, in metres per second.
    pub walks_mps: f32,
}

/// Angles of the body in its plane of heading, and how far it has toppled over its feet.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Posture {
    trunk: f32,
    thigh: f32,
    knee: f32,
    arm: f32,
    stride: f32,
    topple: f32,
    lift: f32,
}

impl Figure {
    /// A figure drawn from a seed, at these feet.
    #[must_use]
    pub fn drawn(act: Act, feet: Place, draw: &mut Draw) -> Self {
        let takes_s = match act {
            Act::LieDown => draw.between(3.0, 7.0),
            Act::Bend => draw.between(0.5, 1.5),
            Act::Crouch => draw.between(0.6, 1.6),
            Act::Sit => draw.between(0.7, 1.8),
            Act::ClimbDown | Act::Stand | Act::Walk | Act::Carry | Act::Jump => 1.0,
            Act::Fall | Act::FallOffChair | Act::FallFromHeight | Act::Hang => 0.0,
        };
        let descends_m = match act {
            Act::ClimbDown => draw.between(1.5, 3.0),
            Act::FallFromHeight => draw.between(1.8, 3.5),
            Act::Hang => draw.between(0.6, 1.6),
            Act::Jump => draw.between(0.15, 0.40),
            Act::Stand
            | Act::Walk
            | Act::Carry
            | Act::Bend
            | Act::Crouch
            | Act::Sit
            | Act::LieDown
            | Act::Fall
            | Act::FallOffChair => 0.0,
        };
        Self {
            act,
            height_m: draw.between(1.55, 1.90),
            feet,
            heading: draw.between(-PI, PI),
            begins_s: draw.between(1.5, 3.5),
            takes_s,
            keeps_s: draw.between(0.3, 4.0),
            topples: draw.between(-PI, PI),
            descends_m,
            buckles: draw.between(0.0, 1.0),
            walks_mps: if draw.between(0.0, 1.0) < 0.5 { 0.0 } else { draw.between(0.3, 1.3) },
        }
    }

    /// When the descent of a fall has ended, in seconds from the start; nothing for other acts.
    #[must_use]
    pub fn ends_s(&self) -> Option<f32> {
        match self.act {
            Act::Fall => Some(self.begins_s + topple_time(FRAC_PI_2, self.rod_m())),
            Act::FallOffChair => Some(self.begins_s + topple_time(FRAC_PI_2, self.rod_m() * 0.6)),
            Act::FallFromHeight | Act::Hang => Some(self.begins_s + (2.0 * self.descends_m / GRAVITY).sqrt()),
            Act::Stand
            | Act::Walk
            | Act::Carry
            | Act::Bend
            | Act::Crouch
            | Act::Sit
            | Act::Jump
            | Act::LieDown
            | Act::ClimbDown => None,
        }
    }

    /// Length of the rod that topples: shorter when the knees give.
    fn rod_m(&self) -> f32 {
        self.height_m * (1.0 - 0.35 * self.buckles)
    }

    /// The seventeen key points at a time in seconds from the start, in metres.
    #[must_use]
    pub fn joints_at(&self, time_s: f32) -> [Place; POINTS] {
        let since = time_s - self.begins_s;
        let posture = if since <= 0.0 { self.before() } else { self.during(since) };
        let walked = match self.act {
            Act::Walk | Act::Carry => self.walks_mps.max(0.6) * time_s,
            Act::ClimbDown | Act::FallFromHeight | Act::Hang | Act::FallOffChair => 0.0,
            Act::Stand | Act::Bend | Act::Crouch | Act::Sit | Act::Jump | Act::LieDown | Act::Fall => {
                self.walks_mps * time_s.min(self.begins_s)
            }
        };
        let feet = [
            self.feet[0] + walked * self.heading.cos(),
            self.feet[1] + walked * self.heading.sin(),
            self.feet[2] + posture.lift,
        ];
        let swing = if walked > 0.0 && (since < 0.0 || matches!(self.act, Act::Walk | Act::Carry)) {
            (TAU * 0.9 * time_s).sin() * 0.35
        } else {
            posture.stride
        };
        self.skeleton(&posture, feet, swing)
    }

    fn before(&self) -> Posture {
        match self.act {
            Act::FallOffChair => Posture { thigh: 1.5, knee: 1.5, arm: 0.4, ..Posture::default() },
            Act::Carry => Posture { arm: 1.2, ..Posture::default() },
            Act::ClimbDown | Act::FallFromHeight | Act::Hang => Posture { lift: self.descends_m, ..Posture::default() },
            Act::Stand | Act::Walk | Act::Bend | Act::Crouch | Act::Sit | Act::Jump | Act::LieDown | Act::Fall => {
                Posture::default()
            }
        }
    }

    fn during(&self, since: f32) -> Posture {
        let there = ease(since / self.takes_s.max(0.01));
        let back = ease((since - self.takes_s - self.keeps_s) / self.takes_s.max(0.01));
        let held = there - back;
        match self.act {
            Act::Stand | Act::Walk => Posture::default(),
            Act::Carry => self.before(),
            Act::Bend => Posture {
                trunk: 1.6 * held,
                thigh: 0.1 * held,
                knee: 0.3 * held,
                arm: -0.6 * held,
                ..Posture::default()
            },
            Act::Crouch => Posture {
                trunk: 0.6 * held,
                thigh: 1.9 * held,
                knee: 2.4 * held,
                arm: 0.6 * held,
                ..Posture::default()
            },
            Act::Sit => Posture {
                trunk: 0.5 * bump(since / self.takes_s),
                thigh: 1.5 * there,
                knee: 1.5 * there,
                arm: 0.4 * there,
                ..Posture::default()
            },
            Act::Jump => self.jump(since),
            Act::LieDown => self.lie_down(since),
            Act::ClimbDown => self.climb(since),
            Act::Fall => self.fall(since, 1.0),
            Act::FallOffChair => self.fall(since, 0.6),
            Act::FallFromHeight => self.drop(since),
            Act::Hang => self.hang(since),
        }
    }

    fn jump(&self, since: f32) -> Posture {
        let speed = (2.0 * GRAVITY * self.descends_m).sqrt();
        let flight = 2.0 * speed / GRAVITY;
        let at = (since % (flight + 0.5)).min(flight);
        let lift = (speed * at - GRAVITY * at * at / 2.0).max(0.0);
        Posture { lift, arm: lift, ..Posture::default() }
    }

    /// Crouch, then sit or kneel, then lie: a controlled lie-down.
    fn lie_down(&self, since: f32) -> Posture {
        let crouch = ease(since / (0.45 * self.takes_s));
        let down = ease((since - 0.45 * self.takes_s) / (0.55 * self.takes_s));
        Posture {
            trunk: 0.5 * crouch * (1.0 - down),
            thigh: 1.8 * crouch * (1.0 - down),
            knee: 2.3 * crouch * (1.0 - down),
            arm: 0.5 * crouch,
            topple: FRAC_PI_2 * down,
            ..Posture::default()
        }
    }

    fn climb(&self, since: f32) -> Posture {
        let speed = 0.35 + 0.25 * self.buckles;
        let step = (TAU * since * speed / 0.6).sin();
        let lift = (self.descends_m - speed * since - 0.06 * step).max(0.0);
        let moving = if lift > 0.0 { 1.0 } else { 0.0 };
        Posture {
            trunk: 0.1,
            thigh: 0.5 * moving,
            knee: 0.8 * moving,
            arm: 1.8 * moving,
            stride: 0.3 * step * moving,
            lift,
            topple: 0.0,
        }
    }

    fn fall(&self, since: f32, share: f32) -> Posture {
        let angle = topple_angle(since, self.rod_m() * share);
        let give = self.buckles * (angle / FRAC_PI_2).min(1.0) * bump(0.25 + 0.5 * angle / FRAC_PI_2);
        let seated = if share < 1.0 { 1.5 * (1.0 - 0.5 * angle / FRAC_PI_2) } else { 0.0 };
        Posture {
            trunk: 0.3 * give,
            thigh: seated + 0.9 * give,
            knee: seated + 1.4 * give,
            arm: 1.2 * angle / FRAC_PI_2,
            topple: angle,
            ..Posture::default()
        }
    }

    fn drop(&self, since: f32) -> Posture {
        let fallen = (GRAVITY * since * since / 2.0).min(self.descends_m);
        let share = fallen / self.descends_m;
        let landed = since - (2.0 * self.descends_m / GRAVITY).sqrt();
        let topple = 0.5 * self.buckles * share + ease(landed / 0.35) * (FRAC_PI_2 - 0.5 * self.buckles);
        Posture {
            thigh: 0.5 * share,
            knee: 0.9 * share,
            arm: 1.8 * share,
            topple,
            lift: self.descends_m - fallen,
            ..Posture::default()
        }
    }

    fn hang(&self, since: f32) -> Posture {
        let fallen = (GRAVITY * since * since / 2.0).min(self.descends_m);
        let caught = (since - (2.0 * self.descends_m / GRAVITY).sqrt()).max(0.0);
        let sway = 0.15 * (-0.5 * caught).exp() * (TAU * 0.4 * caught).sin() * if caught > 0.0 { 1.0 } else { 0.0 };
        let bounce = 0.12 * (-3.0 * caught).exp() * (TAU * 1.2 * caught).sin();
        Posture {
            thigh: 0.3,
            knee: 0.5,
            arm: 0.4,
            trunk: sway,
            lift: self.descends_m - fallen - bounce,
            ..Posture::default()
        }
    }

    /// The key points of a posture: first in the body's plane (forward, sideways, up), then toppled over
    /// the feet, then turned to the heading.
    fn skeleton(&self, p: &Posture, feet: Place, swing: f32) -> [Place; POINTS] {
        let h = self.height_m;
        let (shank, thigh, trunk, neck) = (0.246 * h, 0.245 * h, 0.288 * h, 0.13 * h);
        let (arm, forearm) = (0.172 * h, 0.157 * h);
        let leg = |side: f32, swing: f32| {
            let (a, b) = (p.thigh + swing, p.thigh + swing - p.knee);
            let knee = [thigh * a.sin(), side, -thigh * a.cos()];
            (knee, [knee[0] + shank * b.sin(), side, knee[2] - shank * b.cos()])
        };
        let width = 0.055 * h;
        let (left_knee, left_ankle) = leg(width, swing);
        let (right_knee, right_ankle) = leg(-width, -swing);
        let up = [p.trunk.sin(), 0.0, p.trunk.cos()];
        let along = |from: Place, length: f32, side: f32| [from[0] + up[0] * length, side, from[2] + up[2] * length];
        let limb = |from: Place, angle: f32, length: f32| {
            [from[0] + length * angle.sin(), from[1], from[2] - length * angle.cos()]
        };
        let (left_hip, right_hip) = ([0.0, width, 0.0], [0.0, -width, 0.0]);
        let (left_shoulder, right_shoulder) = (along([0.0; 3], trunk, 0.11 * h), along([0.0; 3], trunk, -0.11 * h));
        let (left_elbow, right_elbow) =
            (limb(left_shoulder, p.arm - swing, arm), limb(right_shoulder, p.arm + swing, arm));
        let (left_wrist, right_wrist) =
            (limb(left_elbow, p.arm + 0.3 - swing, forearm), limb(right_elbow, p.arm + 0.3 + swing, forearm));
        let head = along([0.0; 3], trunk + neck, 0.0);
        let face = |ahead: f32, side: f32, above: f32| [head[0] + ahead * h, side * h, head[2] + above * h];
        let body = [
            face(0.06, 0.0, 0.0),
            face(0.05, 0.02, 0.02),
            face(0.05, -0.02, 0.02),
            face(0.0, 0.045, 0.01),
            face(0.0, -0.045, 0.01),
            left_shoulder,
            right_shoulder,
            left_elbow,
            right_elbow,
            left_wrist,
            right_wrist,
            left_hip,
            right_hip,
            left_knee,
            right_knee,
            left_ankle,
            right_ankle,
        ];
        let sole = left_ankle[2].min(right_ankle[2]) - 0.04 * h;
        let pivot = (left_ankle[0] + right_ankle[0]) / 2.0;
        body.map(|point| self.place([point[0] - pivot, point[1], point[2] - sole], p.topple, feet))
    }

    /// A point of the body over its feet, toppled and turned.
    fn place(&self, [ahead, side, above]: Place, topple: f32, feet: Place) -> Place {
        let (dx, dy) = (self.topples.cos(), self.topples.sin());
        let (along, across) = (ahead * dx + side * dy, -ahead * dy + side * dx);
        let (along, above) = (along * topple.cos() + above * topple.sin(), above * topple.cos() - along * topple.sin());
        // Lying on the ground, not in it: half the thickness of a body.
        let above = above.max(0.05 * self.height_m * topple.sin().abs());
        let (ahead, side) = (along * dx - across * dy, along * dy + across * dx);
        let (cos, sin) = (self.heading.cos(), self.heading.sin());
        [feet[0] + ahead * cos - side * sin, feet[1] + ahead * sin + side * cos, feet[2] + above]
    }
}

/// 0 to 1 smoothly.
fn ease(share: f32) -> f32 {
    let s = share.clamp(0.0, 1.0);
    s * s * (3.0 - 2.0 * s)
}

/// 0 to 1 and back to 0 while the share runs from 0 to 1.
fn bump(share: f32) -> f32 {
    (PI * share.clamp(0.0, 1.0)).sin()
}

/// Angle a push has given already when a fall begins, in radians.
const PUSH: f32 = 0.12;
const STEP_S: f32 = 0.005;

/// Angle of a toppling rod after a time, integrated; it stops on the ground.
fn topple_angle(time_s: f32, rod_m: f32) -> f32 {
    let (mut angle, mut speed, mut at) = (PUSH * (time_s / 0.2).min(1.0), 0.6 * (time_s / 0.2).min(1.0), 0.0);
    while at < time_s && angle < FRAC_PI_2 {
        speed += 1.5 * GRAVITY / rod_m * angle.sin() * STEP_S;
        angle += speed * STEP_S;
        at += STEP_S;
    }
    angle.min(FRAC_PI_2)
}

fn topple_time(angle: f32, rod_m: f32) -> f32 {
    let mut time = 0.0;
    while topple_angle(time, rod_m) < angle && time < 5.0 {
        time += 0.02;
    }
    time
}

/// A camera: where it hangs and how it looks down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Height over the ground in metres.
    pub height_m: f32,
    /// How far it looks down, in radians.
    pub pitch: f32,
    /// Focal length in picture heights: 1 is a vertical field of 53°.
    pub focal: f32,
    /// Width ÷ height of the picture.
    pub aspect: f32,
}

impl View {
    /// Where a point in metres is in the picture, in picture heights; none behind the camera.
    #[must_use]
    pub fn project(&self, [x, y, z]: Place) -> Option<Spot> {
        let (cos, sin) = (self.pitch.cos(), self.pitch.sin());
        let z = z - self.height_m;
        let (depth, up) = (y * cos - z * sin, z * cos + y * sin);
        (depth > 0.2).then(|| Spot { x: self.aspect / 2.0 + self.focal * x / depth, y: 0.5 - self.focal * up / depth })
    }

    /// The pose that a pose model would see, with its noise: key points tremble, lying people score low.
    #[must_use]
    pub fn pose(&self, joints: &[Place; POINTS], noise: f32, draw: &mut Draw) -> Option<Pose> {
        let mut points = [KeyPoint::default(); POINTS];
        for (point, joint) in points.iter_mut().zip(joints) {
            point.spot = self.project(*joint)?;
        }
        let pose = Pose { points, score: 1.0 };
        let tremble = noise * pose.height_by_limbs();
        let lying = (pose.trunk_angle_deg() / 90.0).min(1.0);
        let score = (0.65 - 0.40 * lying + 0.06 * draw.normal()).clamp(0.02, 0.9);
        let mut seen = Pose { points, score };
        for point in &mut seen.points {
            point.spot.x += tremble * draw.normal();
            point.spot.y += tremble * draw.normal();
            let inside = (0.0..=self.aspect).contains(&point.spot.x) && (0.0..=1.0).contains(&point.spot.y);
            point.score = if inside { (score + 0.1 * draw.normal()).clamp(0.0, 1.0) } else { 0.03 };
        }
        Some(seen)
    }
}
