//! What the people do, as postures over time.

use super::figure::Posture;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Nobody: an empty yard.
    Empty,
    /// One person walks to and fro.
    Walk,
    /// Walks, then falls on the level and stays down.
    Fall,
    /// Works on a scaffold, then falls from it.
    Scaffold,
    /// Lies down slowly and rests.
    LieDown,
    /// Bends down to the ground and rises, again and again.
    Bend,
    /// Squats and rises.
    Squat,
    /// Climbs down a ladder.
    Ladder,
    /// Three people walk, one of them falls behind a barrel.
    Crowd,
    /// Half a minute of work, then a fall; somebody comes; again.
    Demo,
}

/// Gravity in body heights a second squared, for a person of 1.75 m.
const GRAVITY: f32 = 9.81 / 1.75;

/// Where a person is and how: place as shares of the picture's width, height above the ground in body heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    pub(super) x: f32,
    pub(super) above: f32,
    pub(super) facing: f32,
    pub(super) posture: Posture,
}

impl Scenario {
    /// After this long it begins again, seconds.
    pub(crate) fn period_s(self) -> f32 {
        match self {
            Scenario::Empty | Scenario::Walk => 40.0,
            Scenario::Fall | Scenario::Scaffold | Scenario::LieDown => 30.0,
            Scenario::Bend | Scenario::Squat => 12.0,
            Scenario::Ladder => 20.0,
            Scenario::Crowd => 40.0,
            Scenario::Demo => 120.0,
        }
    }

    /// When, within a period, a fall ends; `None` where nobody falls.
    pub(crate) fn fall_ends_s(self) -> Option<f32> {
        match self {
            Scenario::Fall => Some(8.0 + FALL_S),
            Scenario::Scaffold => Some(8.0 + drop_time(SCAFFOLD)),
            Scenario::Crowd => Some(12.0 + FALL_S),
            Scenario::Demo => Some(30.0 + FALL_S),
            Scenario::Empty
            | Scenario::Walk
            | Scenario::LieDown
            | Scenario::Bend
            | Scenario::Squat
            | Scenario::Ladder => None,
        }
    }

    /// The people at a time within the period.
    pub(super) fn people(self, t: f32) -> Vec<Moment> {
        match self {
            Scenario::Empty => Vec::new(),
            Scenario::Walk => vec![to_and_fro(t, 0.25, 0.75)],
            Scenario::Fall => vec![walk_then_fall(t, 8.0, 0.2, 0.06)],
            Scenario::Scaffold => vec![scaffold(t)],
            Scenario::LieDown => vec![lie_down(t)],
            Scenario::Bend => vec![dip(t, Posture::BEND, 0.5)],
            Scenario::Squat => vec![dip(t, Posture::SQUAT, 0.45)],
            Scenario::Ladder => vec![ladder(t)],
            Scenario::Crowd => {
                vec![to_and_fro(t + 3.0, 0.1, 0.4), walk_then_fall(t, 12.0, 0.15, 0.04), to_and_fro(t + 11.0, 0.6, 0.9)]
            }
            Scenario::Demo => demo(t),
        }
    }
}

/// A fall on the level takes this long.
const FALL_S: f32 = 0.8;

/// Height of the scaffold's deck in body heights.
pub(super) const SCAFFOLD: f32 = 1.05;

fn drop_time(above: f32) -> f32 {
    (2.0 * above / GRAVITY).sqrt()
}

fn walking(x: f32, facing: f32, phase: f32) -> Moment {
    let swing = (phase * std::f32::consts::TAU).sin();
    let lift = (phase * std::f32::consts::TAU).cos().max(0.0);
    let other = (-(phase * std::f32::consts::TAU).cos()).max(0.0);
    let posture = Posture {
        hip: 0.495 - 0.01 * swing * swing,
        trunk: 3.0,
        thighs: [24.0 * swing, -24.0 * swing],
        knees: [8.0 + 34.0 * lift, 8.0 + 34.0 * other],
        arms: [-20.0 * swing, 20.0 * swing],
        elbows: [18.0, 18.0],
    };
    Moment { x, above: 0.0, facing, posture }
}

/// Steps a second of a calm walk.
const STEPS: f32 = 0.9;

fn to_and_fro(t: f32, left: f32, right: f32) -> Moment {
    let crossing = 10.0;
    let lap = (t / crossing).rem_euclid(2.0);
    let (share, facing) = if lap < 1.0 { (lap, 1.0) } else { (2.0 - lap, -1.0) };
    walking(left + (right - left) * share, facing, t * STEPS)
}

/// Falls as a rigid body turns over: slowly first, then fast, with the arms out.
fn falling(from: Moment, since: f32) -> Moment {
    let share = (since / FALL_S).clamp(0.0, 1.0);
    let turned = share.powf(2.2);
    let mut posture = from.posture.between(Posture::LIE, turned);
    let reach = (share * std::f32::consts::PI).sin() * 60.0;
    posture.arms = [posture.arms[0] + reach, posture.arms[1] + reach * 0.7];
    let settle = ((since - FALL_S).clamp(0.0, 0.4) / 0.4 * std::f32::consts::PI).sin() * 0.02;
    posture.hip += settle;
    Moment { x: from.x + from.facing * 0.04 * turned, posture, ..from }
}

fn walk_then_fall(t: f32, at: f32, from_x: f32, speed: f32) -> Moment {
    let x = |t: f32| from_x + speed * t;
    if t < at {
        return walking(x(t), 1.0, t * STEPS);
    }
    falling(walking(x(at), 1.0, at * STEPS), t - at)
}

fn scaffold(t: f32) -> Moment {
    let work = |t: f32| {
        let reach = (t * 1.7).sin() * 18.0;
        let posture = Posture { arms: [70.0 + reach, 60.0 - reach], elbows: [30.0, 40.0], ..Posture::STAND };
        Moment { x: 0.40 + 0.04 * (t * 0.5).sin(), above: SCAFFOLD, facing: 1.0, posture }
    };
    let (steps, falls) = (7.0, 8.0);
    if t < steps {
        return work(t);
    }
    let start = work(steps);
    let out = ((t - steps) / (falls - steps)).clamp(0.0, 1.0);
    let edge = Moment { x: start.x + 0.16 * out, ..start };
    if t < falls {
        return Moment { posture: walking(edge.x, 1.0, t * STEPS).posture, ..edge };
    }
    let since = t - falls;
    let down = (SCAFFOLD - 0.5 * GRAVITY * since * since).max(0.0);
    let share = (since / drop_time(SCAFFOLD)).clamp(0.0, 1.0);
    let mut posture = Posture::STAND.between(Posture::LIE, share.powf(1.5));
    posture.arms = [posture.arms[0] + 80.0 * (share * 3.0).sin(), posture.arms[1] + 90.0 * (share * 3.4).sin()];
    Moment { x: edge.x + 0.03 * share, above: down, facing: 1.0, posture }
}

fn smooth(share: f32) -> f32 {
    let share = share.clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// Squats, sits down, leans back, lies: five seconds and a half.
fn lie_down(t: f32) -> Moment {
    let sit = Posture {
        hip: 0.09,
        trunk: 8.0,
        thighs: [80.0, 74.0],
        knees: [70.0, 64.0],
        arms: [-30.0, -34.0],
        elbows: [6.0, 6.0],
    };
    let lie = Posture { trunk: -86.0, thighs: [84.0, 80.0], knees: [30.0, 8.0], ..Posture::LIE };
    let posture = match t {
        t if t < 6.0 => Posture::STAND,
        t if t < 8.2 => Posture::STAND.between(Posture::SQUAT, smooth((t - 6.0) / 2.2)),
        t if t < 10.0 => Posture::SQUAT.between(sit, smooth((t - 8.2) / 1.8)),
        t => sit.between(lie, smooth((t - 10.0) / 2.6)),
    };
    Moment { x: 0.5, above: 0.0, facing: 1.0, posture }
}

fn dip(t: f32, low: Posture, x: f32) -> Moment {
    let posture = match t.rem_euclid(6.0) {
        t if t < 1.5 => Posture::STAND,
        t if t < 2.7 => Posture::STAND.between(low, smooth((t - 1.5) / 1.2)),
        t if t < 4.0 => low,
        t => low.between(Posture::STAND, smooth((t - 4.0) / 1.4)),
    };
    Moment { x, above: 0.0, facing: 1.0, posture }
}

fn ladder(t: f32) -> Moment {
    let down = (1.0 - (t - 4.0) / 8.0).clamp(0.0, 1.0);
    let moving = (0.0..1.0).contains(&down) && t > 4.0;
    let phase = if moving { t * 0.8 * std::f32::consts::TAU } else { 0.0 };
    let posture = Posture {
        hip: 0.49,
        trunk: 4.0,
        thighs: [22.0 + 20.0 * phase.sin(), 22.0 - 20.0 * phase.sin()],
        knees: [30.0 + 24.0 * phase.sin(), 30.0 - 24.0 * phase.sin()],
        arms: [110.0 + 20.0 * phase.sin(), 110.0 - 20.0 * phase.sin()],
        elbows: [30.0, 30.0],
    };
    Moment { x: 0.42, above: SCAFFOLD * down, facing: 1.0, posture }
}

fn demo(t: f32) -> Vec<Moment> {
    let falls = 30.0;
    let first = match t {
        t if t < 16.0 => to_and_fro(t, 0.25, 0.70),
        t if t < 22.0 => Moment { ..dip(t - 16.0, Posture::BEND, 0.43) },
        t if t < falls => walking(0.43 + 0.012 * (t - 22.0), 1.0, t * STEPS),
        t => falling(walking(0.43 + 0.012 * 8.0, 1.0, falls * STEPS), t - falls),
    };
    let mut people = vec![first];
    // A colleague comes and squats beside the person.
    if t > 50.0 {
        let share = ((t - 50.0) / 8.0).clamp(0.0, 1.0);
        let mut helper = walking(0.02 + 0.40 * share, 1.0, t * STEPS);
        if share >= 1.0 {
            helper.posture = Posture::STAND.between(Posture::SQUAT, smooth((t - 58.0) / 1.5));
        }
        people.push(helper);
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scenario; 10] = [
        Scenario::Empty,
        Scenario::Walk,
        Scenario::Fall,
        Scenario::Scaffold,
        Scenario::LieDown,
        Scenario::Bend,
        Scenario::Squat,
        Scenario::Ladder,
        Scenario::Crowd,
        Scenario::Demo,
    ];

    #[test]
    fn nobody_jumps_between_two_pictures() {
        for scenario in ALL {
            let mut before: Vec<Moment> = Vec::new();
            for frame in 0..(scenario.period_s() * 25.0) as u32 {
                let now = scenario.people(frame as f32 / 25.0);
                for (a, b) in before.iter().zip(&now) {
                    let head = |m: &Moment| m.above + m.posture.hip + 0.45 * m.posture.trunk.to_radians().cos();
                    assert!((a.x - b.x).abs() < 0.03, "{scenario:?} at frame {frame}: {} to {}", a.x, b.x);
                    assert!((head(a) - head(b)).abs() < 0.30, "{scenario:?} at frame {frame}");
                }
                before = now;
            }
        }
    }

    #[test]
    fn after_a_fall_somebody_lies_and_otherwise_nobody_has_come_down_fast() {
        for scenario in ALL {
            match scenario.fall_ends_s() {
                Some(end) => {
                    let lying = scenario.people(end + 0.5).iter().any(|m| m.posture.trunk > 80.0 && m.above < 0.01);
                    assert!(lying, "{scenario:?}");
                }
                None => {
                    for frame in 0..(scenario.period_s() * 25.0) as u32 {
                        let t = frame as f32 / 25.0;
                        let hip = |m: &Moment| m.above + m.posture.hip;
                        for (a, b) in scenario.people(t).iter().zip(&scenario.people(t + 0.2)) {
                            assert!(hip(a) - hip(b) < 0.10, "{scenario:?} at {t} s");
                        }
                    }
                }
            }
        }
    }
}
