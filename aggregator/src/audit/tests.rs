//! The chain in a real SQLite store.

use super::*;
use crate::store::Store;
use sqlx::Executor;

async fn store(folder: &tempfile::TempDir) -> Store {
    Store::open(&format!("sqlite:{}/mw.db", folder.path().display())).await.expect("store")
}

#[tokio::test]
async fn entries_are_chained_and_a_rolled_back_one_leaves_no_hole() {
    let folder = tempfile::tempdir().expect("folder");
    let store = store(&folder).await;
    let actor = Actor::program();
    let mut hashes = vec![GENESIS.to_owned()];
    for (number, keep) in [(1, true), (2, false), (2, true)] {
        let mut writing = store.begin().await.expect("transaction");
        let detail = serde_json::json!({ "n": number });
        let entry = append(&mut writing, &actor, "test.step", "x", &detail, At(number)).await.expect("entry");
        assert_eq!((entry.seq, Some(&entry.previous)), (number, hashes.last()));
        if keep {
            writing.commit().await.expect("commit");
            hashes.push(entry.hash);
        }
    }
    assert_eq!(hashes.len(), 3);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_delete_an_entry() {
    let folder = tempfile::tempdir().expect("folder");
    let store = store(&folder).await;
    let mut writing = store.begin().await.expect("transaction");
    append(&mut writing, &Actor::program(), "test.step", "x", &serde_json::json!({}), At(1)).await.expect("entry");
    writing.commit().await.expect("commit");
    for statement in ["UPDATE audit SET person = 'y'", "DELETE FROM audit", "DELETE FROM audit_head"] {
        let mut writing = store.begin().await.expect("transaction");
        let refused = writing.execute(statement).await.expect_err(statement);
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[test]
fn long_texts_are_cut_at_a_character() {
    assert_eq!(bounded("短"), "短");
    let cut = bounded(&"坝".repeat(3_000));
    assert!(cut.len() <= TEXT_BYTES_MAX + 3 && cut.ends_with('…'), "{}", cut.len());
}
