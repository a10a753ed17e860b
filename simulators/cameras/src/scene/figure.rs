//! An articulated person: lengths as shares of the height (after Drillis and Contini 1966), joints as
//! angles.

use super::canvas::{Canvas, Colour, Place};

/// Lengths as shares of the body height.
const TRUNK: f32 = 0.30;
const NECK: f32 = 0.06;
const HEAD: f32 = 0.075;
const UPPER_ARM: f32 = 0.17;
const FOREARM: f32 = 0.16;
const THIGH: f32 = 0.245;
const SHANK: f32 = 0.246;
const SHOULDERS: f32 = 0.095;
const HIPS: f32 = 0.055;

/// A posture. Angles in degrees: trunk from upright, limbs from hanging straight down; positive turns
/// towards where the person looks. The hip is above its ground in body heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Posture {
    /// Height of the hip above the ground.
    pub(crate) hip: f32,
    /// Trunk.
    pub(crate) trunk: f32,
    /// Left and right thigh.
    pub(crate) thighs: [f32; 2],
    /// Bend of the left and right knee; positive bends backwards.
    pub(crate) knees: [f32; 2],
    /// Left and right upper arm, against the trunk.
    pub(crate) arms: [f32; 2],
    /// Bend of the left and right elbow.
    pub(crate) elbows: [f32; 2],
}

impl Posture {
    /// Upright.
    pub(crate) const STAND: Posture = Posture {
        hip: 0.50,
        trunk: 0.0,
        thighs: [4.0, -4.0],
        knees: [0.0, 2.0],
        arms: [8.0, -6.0],
        elbows: [8.0, 10.0],
    };
    /// On the ground, flat.
    pub(crate) const LIE: Posture = Posture {
        hip: 0.07,
        trunk: 88.0,
        thighs: [-84.0, -90.0],
        knees: [6.0, 14.0],
        arms: [150.0, 40.0],
        elbows: [20.0, 30.0],
    };
    /// Bent down to the ground, on the feet.
    pub(crate) const BEND: Posture = Posture {
        hip: 0.47,
        trunk: 78.0,
        thighs: [10.0, 6.0],
        knees: [14.0, 12.0],
        arms: [-70.0, -66.0],
        elbows: [6.0, 8.0],
    };
    /// Squatting.
    pub(crate) const SQUAT: Posture = Posture {
        hip: 0.24,
        trunk: 28.0,
        thighs: [95.0, 88.0],
        knees: [128.0, 122.0],
        arms: [20.0, 26.0],
        elbows: [40.0, 36.0],
    };

    /// Between two postures.
    pub(crate) fn between(self, other: Posture, share: f32) -> Posture {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        let mix2 = |a: [f32; 2], b: [f32; 2]| [mix(a[0], b[0]), mix(a[1], b[1])];
        Posture {
            hip: mix(self.hip, other.hip),
            trunk: mix(self.trunk, other.trunk),
            thighs: mix2(self.thighs, other.thighs),
            knees: mix2(self.knees, other.knees),
            arms: mix2(self.arms, other.arms),
            elbows: mix2(self.elbows, other.elbows),
        }
    }
}

/// How a person looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clothes {
    pub(super) vest: Colour,
    pub(super) trousers: Colour,
    pub(super) helmet: Colour,
}

/// A person in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    /// Where the feet's ground is, pixels.
    pub(super) ground: Place,
    /// Height, pixels.
    pub(super) height: f32,
    /// Looks to the right (1) or left (−1).
    pub(super) facing: f32,
    pub(super) posture: Posture,
    pub(super) clothes: Clothes,
}

const SKIN: Colour = [214.0, 168.0, 138.0];
const STRIP: Colour = [232.0, 232.0, 224.0];
const BOOT: Colour = [40.0, 36.0, 34.0];

impl Figure {
    fn step(&self, from: Place, degrees: f32, share: f32) -> Place {
        let (sin, cos) = degrees.to_radians().sin_cos();
        (from.0 + self.facing * sin * share * self.height, from.1 + cos * share * self.height)
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let (h, p) = (self.height, &self.posture);
        let hip = (self.ground.0, self.ground.1 - p.hip * h);
        let neck = self.step(hip, 180.0 - p.trunk, TRUNK);
        let across = |at: Place, half: f32, side: usize| {
            let sign = if side == 0 { 1.0 } else { -1.0 };
            // Seen from three quarters: the far side is a little shifted along the trunk's normal.
            let (sin, cos) = p.trunk.to_radians().sin_cos();
            (at.0 + sign * half * h * cos * 0.9, at.1 + sign * half * h * sin * 0.9 * self.facing)
        };
        for side in [1, 0] {
            self.leg(canvas, across(hip, HIPS, side), side);
        }
        self.arm(canvas, across(neck, SHOULDERS, 1), 1);
        self.torso(canvas, hip, neck, &across);
        self.head(canvas, neck);
        self.arm(canvas, across(neck, SHOULDERS, 0), 0);
    }

    fn leg(&self, canvas: &mut Canvas, hip: Place, side: usize) {
        let (h, p) = (self.height, &self.posture);
        let knee = self.step(hip, p.thighs[side], THIGH);
        let ankle = self.step(knee, p.thighs[side] - p.knees[side], SHANK);
        let toe = self.step(ankle, p.thighs[side] - p.knees[side] + 80.0, 0.07);
        let shade = if side == 0 { 1.0 } else { 0.82 };
        let trousers = self.clothes.trousers.map(|c| c * shade);
        canvas.limb(hip, knee, 0.058 * h, 0.044 * h, trousers);
        canvas.limb(knee, ankle, 0.042 * h, 0.030 * h, trousers);
        canvas.limb(ankle, toe, 0.030 * h, 0.022 * h, BOOT);
    }

    fn arm(&self, canvas: &mut Canvas, shoulder: Place, side: usize) {
        let (h, p) = (self.height, &self.posture);
        let turned = p.arms[side] - p.trunk;
        let elbow = self.step(shoulder, turned, UPPER_ARM);
        let wrist = self.step(elbow, turned + p.elbows[side], FOREARM);
        let shade = if side == 0 { 1.0 } else { 0.8 };
        canvas.limb(shoulder, elbow, 0.036 * h, 0.030 * h, self.clothes.vest.map(|c| c * shade * 0.92));
        canvas.limb(elbow, wrist, 0.028 * h, 0.022 * h, SKIN.map(|c| c * shade));
        canvas.spot(wrist, 0.026 * h, SKIN.map(|c| c * shade));
    }

    fn torso(&self, canvas: &mut Canvas, hip: Place, neck: Place, across: &dyn Fn(Place, f32, usize) -> Place) {
        let h = self.height;
        for share in 0..=6 {
            let share = share as f32 / 6.0;
            let at = (hip.0 + (neck.0 - hip.0) * share, hip.1 + (neck.1 - hip.1) * share);
            let half = HIPS + (SHOULDERS - HIPS) * share;
            let radius = (0.050 + 0.012 * share) * h;
            canvas.limb(across(at, half, 1), across(at, half, 0), radius, radius, self.clothes.vest);
        }
        for share in [0.25, 0.62] {
            let at = (hip.0 + (neck.0 - hip.0) * share, hip.1 + (neck.1 - hip.1) * share);
            canvas.limb(across(at, 0.09, 1), across(at, 0.09, 0), 0.012 * h, 0.012 * h, STRIP);
        }
    }

    fn head(&self, canvas: &mut Canvas, neck: Place) {
        let (h, trunk) = (self.height, self.posture.trunk);
        let head = self.step(neck, 180.0 - trunk * 0.95, NECK + HEAD);
        canvas.limb(neck, head, 0.034 * h, 0.034 * h, SKIN.map(|c| c * 0.9));
        canvas.limb(
            self.step(head, 180.0 - trunk, -0.015),
            self.step(head, 180.0 - trunk, 0.02),
            0.058 * h,
            0.060 * h,
            SKIN,
        );
        let crown = self.step(head, 180.0 - trunk, 0.038);
        let brim = |degrees: f32| self.step(crown, degrees - trunk, 0.062);
        canvas.limb(
            self.step(crown, 180.0 - trunk, -0.004),
            self.step(crown, 180.0 - trunk, 0.020),
            0.060 * h,
            0.048 * h,
            self.clothes.helmet,
        );
        canvas.limb(brim(90.0), brim(-90.0), 0.012 * h, 0.012 * h, self.clothes.helmet.map(|c| c * 0.9));
        let face = |forward: f32, up: f32| self.step(self.step(head, 90.0 - trunk, forward), 180.0 - trunk, up);
        for forward in [0.012, 0.046] {
            canvas.spot(face(forward, 0.006), 0.009 * h, [30.0, 26.0, 26.0]);
        }
        canvas.spot(face(0.034, -0.014), 0.010 * h, SKIN.map(|c| c * 0.78));
        canvas.limb(face(0.016, -0.036), face(0.044, -0.034), 0.006 * h, 0.006 * h, [150.0, 80.0, 76.0]);
    }
}
