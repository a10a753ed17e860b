//! Lists: what a reader of part of the organisation gets, page after page.

use crate::people::Domain;
use crate::store::tests::{batch, fresh, on_both};
use crate::store::{Columns, Committer, Filter, PageKey, Store};
use minewatch_domain::{At, Lane, OrgPath};
use std::collections::BTreeSet;
use std::sync::Arc;

const START: i64 = 1_764_000_000_000_000;

/// 12,000 red alarms of other mines, newer than everything; five of `g/c/m` and two of `g/c/m2` behind them.
const FILL: [&str; 4] = [
    "INSERT INTO alarms (gateway, alarm, revision, to_level, kind, domain, at_us, since_us, org, org_company, org_mine) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11999) SELECT 'gw-other', \
     'o-' || CAST(i AS TEXT), 1, 4, 'threshold', 'dam', 2000000000000000 + i, 0, 'g/x/y/f', 'g/x', 'g/x/y' FROM n",
    "INSERT INTO alarms (gateway, alarm, revision, to_level, kind, domain, at_us, since_us, org, org_company, org_mine) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT 'gw-ours', \
     'a-' || CAST(i AS TEXT), 1, 1 + i % 2, 'threshold', CASE WHEN i = 4 THEN 'fall' ELSE 'dam' END, 1000 + i, 0, \
     'g/c/m/f' || CAST(i AS TEXT), 'g/c', 'g/c/m' FROM n",
    "INSERT INTO alarms (gateway, alarm, revision, to_level, kind, domain, at_us, since_us, org, org_company, org_mine) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1) SELECT 'gw-ours', \
     'b-' || CAST(i AS TEXT), 1, 0, 'threshold', 'dam', 2000 + i, 0, 'g/c/m2/f', 'g/c', 'g/c/m2' FROM n",
    "INSERT INTO alarm_journal (gateway, alarm, revision, kind, from_level, to_level, at_us, rule, why, ingested_us) \
     SELECT gateway, alarm, revision, kind, 0, to_level, at_us, 'r', 'w', at_us FROM alarms",
];

async fn names(store: &Store, sight: &[(&str, &[Domain])], level_min: i64, limit: i64) -> Vec<String> {
    let places = sight.iter().map(|(org, domains)| (OrgPath::parse(org).expect("path"), domains.to_vec()));
    let mut filter = Filter { sight: places.collect(), level_min, limit, ..Filter::default() };
    let mut found = Vec::new();
    loop {
        let page = store.alarms(&filter).await.expect("reads");
        let handled = store.alarm_page(&filter).await.expect("reads");
        let both = page.iter().map(|row| row.alarm.as_str()).eq(handled.iter().map(|row| row.alarm.as_str()));
        assert!(both, "both lists find the same");
        found.extend(page.iter().map(|row| row.alarm.clone()));
        let Some(last) = page.last().filter(|_| page.len() as i64 == limit) else { return found };
        let key: PageKey =
            (i64::from(last.to.code()), last.at.micros(), 0, last.gateway.to_string(), last.alarm.clone());
        filter.after = Some(key);
    }
}

#[test]
fn a_reader_of_one_mine_gets_full_pages_whatever_stands_elsewhere() {
    on_both(async |address| {
        let store = fresh(address).await;
        for statement in FILL {
            sqlx::query(statement).execute(&store.writer).await.expect("fills");
        }
        let all = &Domain::ALL[..];
        assert_eq!(names(&store, &[("g/c/m", all)], 1, 2).await, ["a-3", "a-1", "a-4", "a-2", "a-0"]);
        assert_eq!(names(&store, &[("g/c/m", &[Domain::Dam])], 1, 100).await, ["a-3", "a-1", "a-2", "a-0"]);
        assert_eq!(names(&store, &[("g/c/m/f1", all)], 0, 100).await, ["a-1"], "a facility");
        let nested: &[(&str, &[Domain])] = &[("g/c", &[Domain::Dam]), ("g/c/m", all), ("g/c/m2/f", all)];
        assert_eq!(names(&store, nested, 0, 3).await, ["a-3", "a-1", "a-4", "a-2", "a-0", "b-1", "b-0"], "each once");
        assert!(names(&store, &[("g/z", all)], 0, 100).await.is_empty());
        let everything = names(&store, &[], 0, 5_000).await;
        assert_eq!(everything.iter().collect::<BTreeSet<_>>().len(), 12_007, "an administrator walks over all");
    });
}

#[test]
fn an_alarm_that_stands_moves_with_its_gateway() {
    on_both(async |address| {
        let store = fresh(address).await;
        let mut committer = Committer::new(store.clone(), Arc::default());
        committer.commit(&[batch(Lane::Alarm, 0, 2)], At(START)).await.expect("commits");
        let mine = [(OrgPath::parse("g/c/m").expect("path"), Domain::ALL.to_vec())];
        let filter = Filter { sight: mine.to_vec(), limit: 10, ..Filter::default() };
        assert!(store.alarms(&filter).await.expect("reads").is_empty(), "its place is not known yet");
        // Number 5 of that stream is the catalogue, which says where the gateway stands.
        committer.commit(&[batch(Lane::Routine, 5, 1)], At(START + 1)).await.expect("commits");
        assert_eq!(store.alarms(&filter).await.expect("reads").len(), 1);
        let row = sqlx::query("SELECT org, org_company FROM alarms").fetch_one(store.reader()).await.expect("reads");
        assert_eq!(
            (row.text(0).expect("org"), row.text(1).expect("company")),
            ("g/c/m/f".to_owned(), "g/c".to_owned())
        );
    });
}
