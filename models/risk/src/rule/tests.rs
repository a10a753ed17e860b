use super::*;
use crate::dictionary::Dictionary;

const RULE: &str = r#"
id = "X01"
version = 1
valid_from = "2020-01-01"
domain = "procurement"
name_zh = "测试"
name_en = "test"
owner = "o"
negative = "n"
actions_zh = ["a"]
actions_en = ["a"]
due_days = 1
subject = "contract"
[params]
limit = 100
days = 90
[[check]]
level = "red"
when = "sum(contract.amount where it.buyer = buyer and it.supplier = supplier within $days) >= $limit"
zh = "{amount}"
en = "{amount} of {key}"
"#;

fn check(text: &str, wanted: &str) {
    let file = RuleFile::read("x.toml", text).expect("a file");
    let mut world = World::of(&Dictionary::shipped());
    let faults = compile("x.toml", &file, &mut world).expect_err("a fault");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|fault| fault.contains(wanted)), "{told:?}");
}

#[test]
fn a_sum_over_a_window_raises_when_the_tipping_fact_comes_and_falls_when_it_is_corrected() {
    let file = RuleFile::read("x.toml", RULE).expect("a file");
    let dictionary = Dictionary::shipped();
    let mut world = World::of(&dictionary);
    let rule = compile("x.toml", &file, &mut world).expect("compiles");
    let mut engine = Engine::new(vec![rule], world);
    let fact = |key: &str, day: &str, amount: &str, known: &str| {
        let line = format!(
            r#"{{"kind":"contract","key":"{key}","org":"g/c","event_at":"{day}","known_at":"{known}",
            "fields":{{"buyer":"b","supplier":"s","amount":"{amount}"}}}}"#
        );
        crate::fact::from_plain(&line, &dictionary).expect("a fact")
    };
    assert_eq!(engine.take(&fact("c1", "2026-01-01", "60", "2026-01-01")), []);
    let changes = engine.take(&fact("c2", "2026-02-01", "60", "2026-02-01"));
    assert_eq!(changes.len(), 1);
    let warning = engine.warning(changes[0].rule, changes[0].subject, changes[0].after).expect("a warning");
    assert_eq!((warning.en.as_str(), warning.trace.from[0].rows.len()), ("60 of c2", 2));
    assert_eq!(engine.take(&fact("c3", "2026-06-01", "60", "2026-06-01")), [], "outside the window");
    let corrected = engine.take(&fact("c1", "2026-01-01", "30", "2026-03-01"));
    assert_eq!(corrected[0].after, Verdict::Clear);
    assert_eq!(engine.take(&fact("c1", "2026-01-01", "60", "2026-02-15")), [], "an older statement");
}

#[test]
fn faults_are_located() {
    check(&RULE.replace("it.buyer = buyer", "it.buyr = buyer"), "check[0].when:27: contract has no element \"buyr\"");
    check(&RULE.replace("$limit\"", "$limits\""), "there is no parameter \"limits\"");
    check(&RULE.replace("contract.amount where", "contract.buyer where"), "does not work on values of this kind");
    check(&RULE.replace("it.buyer = buyer and it.supplier = supplier ", "it.amount > 5 "), "needs a condition");
    check(&RULE.replace(">= $limit", ">= 'x'"), "do not go together");
    check(&RULE.replace("within $days)", "within $days"), "\")\" is expected");
    check(&RULE.replace("subject = \"contract\"", "subject = \"weather\""), "no kind \"weather\"");
    let broken = RuleFile::read("x.toml", &RULE.replace("version = 1", "version = one")).expect_err("no number");
    assert_eq!(broken.at, "line 3");
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    let fault = text::parse(&deep).expect_err("too deep");
    assert!(fault.why.contains("deep"), "{fault}");
}

fn shipped() -> Vec<(&'static str, RuleFile)> {
    SHIPPED.iter().map(|(name, text)| (*name, RuleFile::read(name, text).expect("a rule"))).collect()
}

#[test]
fn every_shipped_rule_compiles_and_has_its_place() {
    let files = shipped();
    let mut world = World::of(&Dictionary::shipped());
    let (rules, faults) = compile_all(files.iter().map(|(name, file)| (*name, file)), &mut world);
    assert!(faults.is_empty(), "{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    assert_eq!(rules.len(), 66);
    for (name, file) in &files {
        assert_eq!(*name, format!("{}/{}.toml", file.domain, file.id));
        assert!(!file.actions_zh.is_empty() && file.actions_zh.len() == file.actions_en.len() && file.due_days > 0);
        assert!(!file.owner.is_empty() && !file.negative.is_empty() && !file.name_zh.is_empty(), "{name}");
    }
}

#[test]
fn every_shipped_rule_has_a_hit_a_near_miss_missing_data_and_an_as_of_trap_and_they_hold() {
    let dictionary = Dictionary::shipped();
    let (mut failed, mut seen) = (Vec::new(), 0);
    for (name, file) in shipped() {
        for kind in [CaseKind::Hit, CaseKind::NearMiss, CaseKind::Missing, CaseKind::AsOf] {
            assert!(file.cases.iter().any(|case| case.is == kind), "{name} has no {kind:?}");
        }
        let results = run_cases(name, &file, &dictionary);
        seen += results.len();
        failed.extend(results.into_iter().filter_map(|r| r.failed).map(|why| format!("{name}: {why}")));
    }
    assert!(seen >= 264, "{seen}");
    assert!(failed.is_empty(), "{} of {seen}:\n{}", failed.len(), failed.join("\n"));
}
