//! GB 39496-2020 5.5.4: four blue make one yellow, three yellow one orange, two orange one red; points
//! count to their item, items count the same way to the pond. The level is at least the worst present.
//!
//! Row 26 of the reference and decision 0013: the first clause is verified, the second is read literally
//! by default ([`Carry::Literal`]): a yellow won by counting counts as one yellow. Each step is won at
//! most once, so that a field of many blue points is one yellow, not a red.

use crate::dam_file::{Carry, Escalation};
use minewatch_domain::Level;

/// How many members stand at each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u32; 5]);

impl Counts {
    /// Nobody yet.
    pub fn new() -> Counts {
        Counts::default()
    }

    /// Counts every level of a list.
    pub fn of(levels: impl IntoIterator<Item = Level>) -> Counts {
        let mut counts = Counts::new();
        for level in levels {
            counts.add(level);
        }
        counts
    }

    /// One more at a level.
    pub fn add(&mut self, level: Level) {
        self.0[usize::from(level.code())] += 1;
    }

    /// One moves from a level to another.
    pub fn shift(&mut self, from: Level, to: Level) {
        let left = &mut self.0[usize::from(from.code())];
        *left = left.saturating_sub(1);
        self.add(to);
    }

    /// How many stand at a level.
    pub fn at(&self, level: Level) -> u32 {
        self.0[usize::from(level.code())]
    }

    /// The worst level anybody stands at.
    pub fn worst(&self) -> Level {
        Level::WARNINGS.into_iter().rev().find(|level| self.at(*level) > 0).unwrap_or_default()
    }
}

/// A step won by counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// The level counted.
    pub from: Level,
    /// The level won.
    pub to: Level,
    /// Members at `from`.
    pub members: u32,
    /// Whether one more came from the step below.
    pub carried: bool,
    /// How many it takes.
    pub needed: u32,
}

/// A level and the steps that led above the worst member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The level.
    pub level: Level,
    /// The worst member by itself.
    pub worst: Level,
    /// Steps that mattered: those on the way to `level`, mildest first; empty when `level` is `worst`.
    pub upgrades: Vec<Upgrade>,
}

/// Counts members to one level.
pub fn escalate(counts: &Counts, rule: &Escalation) -> Outcome {
    let steps = [
        (Level::Blue, Level::Yellow, rule.blue_to_yellow),
        (Level::Yellow, Level::Orange, rule.yellow_to_orange),
        (Level::Orange, Level::Red, rule.orange_to_red),
    ];
    let worst = counts.worst();
    let mut level = worst;
    let mut won: Vec<Upgrade> = Vec::new();
    let mut carried = false;
    for (from, to, needed) in steps {
        let members = counts.at(from);
        let counted = members + u32::from(carried);
        if counted >= needed {
            won.push(Upgrade { from, to, members, carried, needed });
            level = level.max(to);
        }
        carried = match rule.carry {
            Carry::Literal => counted >= needed,
            Carry::OwnLevels => false,
        };
    }
    let upgrades = if level > worst { on_the_way(won, level) } else { Vec::new() };
    Outcome { level, worst, upgrades }
}

/// The last step to `level`, and those before it that carried.
fn on_the_way(won: Vec<Upgrade>, level: Level) -> Vec<Upgrade> {
    let mut kept = Vec::new();
    let mut wanted = Some(level);
    for step in won.into_iter().rev() {
        if Some(step.to) == wanted {
            wanted = step.carried.then_some(step.from);
            kept.insert(0, step);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn levels(text: &str) -> Vec<Level> {
        let of = |letter| match letter {
            'B' => Level::Blue,
            'Y' => Level::Yellow,
            'O' => Level::Orange,
            'R' => Level::Red,
            _ => Level::Normal,
        };
        text.chars().map(of).collect()
    }

    fn check(points: &str, carry: Carry, expect: &str, steps: usize) {
        let rule = Escalation { carry, ..Escalation::default() };
        let outcome = escalate(&Counts::of(levels(points)), &rule);
        assert_eq!(outcome.level, levels(expect)[0], "{points} by {carry:?}: {outcome:?}");
        assert_eq!(outcome.upgrades.len(), steps, "{points} by {carry:?}: {outcome:?}");
    }

    #[test]
    fn row_26_the_first_clause_of_5_5_4() {
        for carry in [Carry::Literal, Carry::OwnLevels] {
            check("BBBB", carry, "Y", 1);
            check("YYY", carry, "O", 1);
            check("OO", carry, "R", 1);
            check("BBB", carry, "B", 0);
            check("YY", carry, "Y", 0);
            check("O", carry, "O", 0);
            check("nnnn", carry, "n", 0);
            check("", carry, "n", 0);
            check("BBBBR", carry, "R", 0);
        }
    }

    #[test]
    fn row_26_the_second_clause_is_read_literally_unless_the_designer_says_otherwise() {
        check("YYBBBB", Carry::Literal, "O", 2);
        check("YYBBBB", Carry::OwnLevels, "Y", 0);
        check("OYYBBBB", Carry::Literal, "R", 3);
        check("OYYBBBB", Carry::OwnLevels, "O", 0);
        check("OYYY", Carry::Literal, "R", 2);
        check(&"B".repeat(24), Carry::Literal, "Y", 1);
    }

    #[test]
    fn the_steps_that_did_not_matter_are_not_in_the_explanation() {
        let outcome = escalate(&Counts::of(levels("BBBBOO")), &Escalation::default());
        assert_eq!(outcome.level, Level::Red);
        let steps: Vec<_> = outcome.upgrades.iter().map(|step| (step.from, step.to)).collect();
        assert_eq!(steps, [(Level::Orange, Level::Red)]);
    }

    fn any_level() -> impl Strategy<Value = Level> {
        (0u8..5).prop_map(|code| Level::from_code(code).unwrap_or_default())
    }

    proptest! {
        #[test]
        fn a_worse_member_never_lowers_the_level(
            members in prop::collection::vec(any_level(), 1..30), which in any::<prop::sample::Index>(),
            worse in any_level(), literal in any::<bool>(),
            needs in (2u32..6, 2u32..6, 2u32..6),
        ) {
            let carry = if literal { Carry::Literal } else { Carry::OwnLevels };
            let rule = Escalation { blue_to_yellow: needs.0, yellow_to_orange: needs.1, orange_to_red: needs.2, carry };
            let before = escalate(&Counts::of(members.iter().copied()), &rule);
            let mut after = members.clone();
            let at = which.index(after.len());
            after[at] = after[at].max(worse);
            let after = escalate(&Counts::of(after), &rule);
            prop_assert!(after.level >= before.level, "{before:?} then {after:?}");
            prop_assert!(before.level >= before.worst);
        }

        #[test]
        fn counting_step_by_step_is_counting_at_once(moves in prop::collection::vec((0usize..8, any_level()), 0..40)) {
            let mut members = [Level::Normal; 8];
            let mut counts = Counts::of(members);
            for (at, level) in moves {
                counts.shift(members[at], level);
                members[at] = level;
            }
            prop_assert_eq!(counts, Counts::of(members));
        }
    }
}
