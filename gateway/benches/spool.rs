//! Durable appends per second against the raw limit of the same disk in the same run: the same
//! number of groups of the same bytes, written to a plain file with one `fdatasync` a group.
//! Prints one JSON line: `{"name", "spool_appends_per_s", "raw_appends_per_s", "ratio"}`.

use minewatch_domain::{At, PointId, Quality, Reading, Reason, Record};
use minewatch_gateway::spool::{self, SpoolSettings};
use std::io::Write;
use std::time::Instant;

/// Polls appended; each holds [`READINGS`] readings.
const POLLS: usize = 4_000;
/// Readings of one poll, as in the loss test.
const READINGS: usize = 99;
/// Polls handed over before the next group may start: ten devices polled in the same moment.
const TOGETHER: usize = 10;

fn poll(n: usize, points: &[PointId]) -> Vec<Record> {
    let at = At(1_790_000_000_000_000 + n as i64 * 100_000);
    let reading = |(i, point): (usize, &PointId)| {
        let value = Some((n * 31 + i) as f64 * 0.25);
        Record::Reading(Reading { point: point.clone(), at, value, quality: Quality::Good, reason: Reason::None })
    };
    points.iter().enumerate().map(reading).collect()
}

fn main() -> anyhow::Result<()> {
    let root = std::env::var_os("MINEWATCH_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(root)?;
    let points: Vec<PointId> =
        (0..READINGS).map(|i| PointId::parse(&format!("counter.c{i}"))).collect::<Result<_, _>>()?;
    let settings = SpoolSettings {
        dir: dir.path().join("spool"),
        size_max_bytes: 1 << 30,
        keep_acked_bytes: 64 << 20,
        min_free_bytes: 0,
    };
    let spool::Running { handle: spool, thread, .. } = spool::open(settings)?;
    let view = spool.view();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let started = Instant::now();
    runtime.block_on(async {
        for group in 0..POLLS / TOGETHER {
            for n in 0..TOGETHER {
                spool.append(poll(group * TOGETHER + n, &points), 1).await?;
            }
            spool.barrier().await?;
        }
        anyhow::Ok(())
    })?;
    let spool_s = started.elapsed().as_secs_f64();
    let (groups, bytes) = {
        let v = view.borrow();
        (v.groups.max(1), v.held_bytes)
    };
    drop(spool);
    let _ = thread.join();

    let mut file = std::fs::File::create(dir.path().join("raw"))?;
    let chunk = vec![0x5a_u8; usize::try_from(bytes / groups)?];
    let started = Instant::now();
    for _ in 0..groups {
        file.write_all(&chunk)?;
        file.sync_data()?;
    }
    let raw_s = started.elapsed().as_secs_f64();
    let line = serde_json::json!({
        "name": "spool_vs_fsync", "groups": groups, "bytes": bytes,
        "spool_appends_per_s": POLLS as f64 / spool_s, "raw_appends_per_s": POLLS as f64 / raw_s, "ratio": raw_s / spool_s,
    });
    println!("{line}");
    Ok(())
}
