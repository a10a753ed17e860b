//! Streaming gives what the batch gives, whatever the order of arrival.

use super::*;
use crate::dictionary::Dictionary;
use crate::fact::Fact;
use proptest::prelude::*;
use std::collections::BTreeSet;

const NOW_US: i64 = 1_782_835_200_000_000;
type Standing = BTreeSet<(String, String, String)>;

fn rules() -> (Vec<Rule>, World, Vec<Fact>) {
    let dictionary = Dictionary::shipped();
    let files: Vec<(&str, RuleFile)> =
        SHIPPED.iter().map(|(name, text)| (*name, RuleFile::read(name, text).expect("a rule"))).collect();
    let mut world = World::of(&dictionary);
    let (rules, faults) = compile_all(files.iter().map(|(name, file)| (*name, file)), &mut world);
    assert!(faults.is_empty());
    let mut pool = Vec::new();
    for (name, file) in files.iter().filter(|(name, _)| !name.contains("T19")) {
        for case in &file.cases {
            pool.extend(facts_of(file, case, &dictionary).unwrap_or_else(|why| panic!("{name}: {why}")));
        }
    }
    (rules, world, pool)
}

fn standing(engine: &Engine) -> Standing {
    let all: Vec<String> = engine.rules().map(|rule| rule.file.reference()).collect();
    let one = |(rule, subject, verdict): (usize, u32, Verdict)| {
        (all[rule].clone(), engine.dedupe(rule, subject), format!("{verdict:?}"))
    };
    engine.standing().into_iter().map(one).collect()
}

fn shuffled(pool: &[Fact], mut seed: u64, take: usize) -> Vec<Fact> {
    let mut facts = pool.to_vec();
    for n in (1..facts.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        facts.swap(n, (seed >> 33) as usize % (n + 1));
    }
    facts.truncate(take);
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_arrival_gives_the_set_of_a_full_recomputation(seed in any::<u64>(), take in 50usize..1_500) {
        let (compiled, world, pool) = rules();
        let facts = shuffled(&pool, seed, take);
        let mut streaming = Engine::new(compiled.clone(), world.clone());
        for fact in &facts {
            streaming.take(fact);
        }
        streaming.advance(NOW_US);
        let mut batch = Engine::new(compiled, world);
        for fact in facts.iter().rev() {
            batch.load(fact);
        }
        batch.judge_all(NOW_US);
        let (one, other) = (standing(&streaming), standing(&batch));
        prop_assert!(one == other, "only streaming: {:?}\nonly batch: {:?}",
            one.difference(&other).collect::<Vec<_>>(), other.difference(&one).collect::<Vec<_>>());
        prop_assert!(take < 1_000 || one.len() > 20, "{}", one.len());
    }
}

#[test]
fn what_changes_with_every_fact_adds_up_to_what_stands() {
    let (compiled, world, pool) = rules();
    let mut engine = Engine::new(compiled, world);
    let mut told: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut all = Vec::new();
    for fact in shuffled(&pool, 7, 1_000) {
        all.extend(engine.take(&fact));
    }
    all.extend(engine.advance(NOW_US));
    for change in all {
        match change.after {
            Verdict::Clear => told.remove(&(change.rule, change.subject)),
            Verdict::Hit(..) | Verdict::Unknown => told.insert((change.rule, change.subject)),
        };
    }
    let stands: BTreeSet<_> = engine.standing().into_iter().map(|(rule, subject, _)| (rule, subject)).collect();
    assert_eq!(told, stands);
}
