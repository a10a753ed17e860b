//! A fact that tips a rule becomes an alarm with a case and a proof, once.

use super::*;
use crate::rules::Rules;
use crate::store::Committer;
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::from_plain;
use minewatch_risk::rule::SHIPPED;
use std::sync::Arc;

const CONTRACT: &str = r#"{"kind":"contract","key":"c1","org":"minmetals/south","event_at":"2026-03-01",
    "known_at":"KNOWN","fields":{"buyer":"b","supplier":"s","category":"works","method":"inquiry","amount":"AMOUNT"},
    "lineage":{"source":"sap","document":"contracts.csv","locator":"line 7","sha256":"ab"}}"#;

struct Scene {
    store: Store,
    committer: Committer,
    brain: Brain,
    inbox: mpsc::Receiver<Input>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}", folder.path().join("r.db").display())).await.expect("a store");
        let (inputs, inbox) = mpsc::channel(64);
        let brain = Brain { store: store.clone(), inputs, rules: None, judges: Judges::default() };
        let committer = Committer::new(store.clone(), Arc::new(Rules::default()));
        Scene { store, committer, brain, inbox, _folder: folder }
    }

    async fn bring(&self, amount: &str, known: &str) -> super::super::Taken {
        self.state(&CONTRACT.replace("AMOUNT", amount).replace("KNOWN", known)).await
    }

    async fn state(&self, line: &str) -> super::super::Taken {
        let fact = from_plain(line, &Dictionary::shipped()).expect("a fact");
        let mut transaction = self.store.begin().await.expect("a transaction");
        let taken = super::super::take(&mut transaction, &[fact], clock::now().micros()).await.expect("taken");
        transaction.commit().await.expect("durable");
        taken
    }

    async fn commit(&mut self) -> usize {
        let mut waiting = Vec::new();
        while let Ok(input) = self.inbox.try_recv() {
            waiting.push(input);
        }
        self.committer.commit(&waiting, clock::now()).await.expect("committed").alarms.len()
    }

    async fn number(&self, text: &'static str) -> i64 {
        use crate::store::Columns;
        sqlx::query(text).fetch_one(self.store.reader()).await.expect("a row").int(0).expect("a number")
    }
}

#[tokio::test]
async fn a_tipping_fact_raises_an_alarm_with_case_and_proof_once_and_a_correction_clears_it() {
    let mut scene = Scene::new().await;
    let judging = scene.brain.begin().await.expect("begun");
    assert_eq!(scene.bring("4000000", "2026-03-01").await.stored, 1);
    assert_eq!(scene.bring("4000000", "2026-03-01").await.known, 1, "the same statement again");
    let judging = scene.brain.step(judging).await.expect("judged");
    assert_eq!(scene.commit().await, 1);
    let proof = "SELECT COUNT(*) FROM alarm_journal WHERE kind = 'procurement_risk' AND rule = 'P01#1' AND \
        to_level = 3 AND proof LIKE '%exemption_id%' AND why LIKE '%4000000%'";
    assert_eq!(scene.number(proof).await, 1);
    assert_eq!(
        scene.number("SELECT COUNT(*) FROM cases WHERE domain = 'procurement' AND org = 'minmetals/south'").await,
        1
    );
    // A restart says everything again; nothing is raised twice.
    let _again = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 0);
    scene.bring("3999999.99", "2026-04-01").await;
    let _judged = scene.brain.step(judging).await.expect("judged");
    assert_eq!(scene.commit().await, 1);
    assert_eq!(scene.number("SELECT COUNT(*) FROM alarms WHERE isa <> 'RTNUN'").await, 0);
}

#[tokio::test]
async fn an_alarm_nothing_stands_behind_any_more_is_cleared_at_the_next_start() {
    let mut scene = Scene::new().await;
    scene.bring("4000000", "2026-03-01").await;
    let _judging = scene.brain.begin().await.expect("begun");
    assert_eq!(scene.commit().await, 1);
    scene.bring("1", "2026-04-01").await;
    let _restarted = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 1);
    assert_eq!(scene.number("SELECT COUNT(*) FROM alarms WHERE isa <> 'RTNUN'").await, 0);
}

#[tokio::test]
async fn a_warning_that_cannot_be_judged_any_more_stands_also_over_a_restart_until_it_is_judged() {
    let mut scene = Scene::new().await;
    scene.bring("4000000", "2026-03-01").await;
    let judging = scene.brain.begin().await.expect("begun");
    assert_eq!(scene.commit().await, 1);
    scene.state(&CONTRACT.replace(r#","amount":"AMOUNT""#, "").replace("KNOWN", "2026-04-01")).await;
    let judging = scene.brain.step(judging).await.expect("judged");
    assert_eq!(scene.commit().await, 0, "the amount was taken back: nobody can say that all is well");
    let restarted = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 0);
    drop(judging);
    scene.bring("1", "2026-05-01").await;
    let _judged = scene.brain.step(restarted).await.expect("judged");
    assert_eq!(scene.commit().await, 1);
    assert_eq!(scene.number("SELECT COUNT(*) FROM alarms WHERE isa <> 'RTNUN'").await, 0);
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_any_more_clears_nothing_and_one_whose_file_was_taken_away_does() {
    let mut scene = Scene::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (_, text) = SHIPPED.iter().find(|(_, text)| text.contains("\"P01\"")).expect("the first rule");
    let file = folder.path().join("p01.toml");
    std::fs::write(&file, text).expect("written");
    scene.brain.rules = Some(folder.path().to_owned());
    scene.bring("4000000", "2026-03-01").await;
    let _judging = scene.brain.begin().await.expect("begun");
    assert_eq!(scene.commit().await, 1);
    std::fs::write(&file, "this is no rule").expect("written");
    let _damaged = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 0, "nobody judged it: no all-clear");
    scene.brain.rules = Some(folder.path().join("not mounted"));
    let _gone = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 0, "nor while the whole folder is away");
    scene.brain.rules = Some(folder.path().to_owned());
    std::fs::remove_file(&file).expect("removed");
    let _taken_away = scene.brain.begin().await.expect("begun again");
    assert_eq!(scene.commit().await, 1, "its file was taken away on purpose");
}
