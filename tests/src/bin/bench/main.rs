//! `make bench`: measures the built programs from outside and writes `target/bench.json`, a list of
//! `{name, value, unit, bar, holds, against, command}`.
//!
//! Every ratio comes from one run on one machine. `bench NAME` runs only the group that makes the
//! metric NAME. A figure below its bar is printed as such; only a bench that cannot run is an error.

mod alarms;
mod cameras;
mod console;
mod gateway;
mod ingest;
mod live;
mod micro;
mod procurement;
mod replay;
mod report;
mod scale;

use anyhow::{Result, bail};
use report::Metric;

/// A bench and the metrics it makes.
struct Group {
    metrics: &'static [&'static str],
    run: fn() -> Result<Vec<Metric>>,
}

const GROUPS: &[Group] = &[
    Group { metrics: &["modbus_vs_libmodbus"], run: micro::modbus },
    Group { metrics: &["spool_vs_fsync"], run: micro::spool },
    Group { metrics: &["dam_eval_core_percent"], run: micro::dam },
    Group { metrics: &["dam_replay_year_s"], run: replay::year },
    Group { metrics: &["gateway_cpu_s_per_100k", "sample_to_hq_p50_ms", "sample_to_hq_p99_ms"], run: gateway::steady },
    Group { metrics: &["gateway_rss_mb_10k_points"], run: gateway::memory },
    Group { metrics: &["resume_after_kill_s"], run: gateway::resume },
    Group { metrics: &["backlog_drain_x_realtime"], run: gateway::drain },
    Group { metrics: &["ingest_vs_bulk_sqlite"], run: ingest::sqlite },
    Group { metrics: &["ingest_vs_bulk_postgres"], run: ingest::postgres },
    Group { metrics: &["gateway_cost_growth"], run: scale::growth },
    Group { metrics: &["two_aggregators_x"], run: scale::two },
    Group { metrics: &["camt_vs_scan"], run: micro::camt },
    Group { metrics: &["ocds_mb_per_cpu_s", "ocds_cpu_vs_cardinal"], run: procurement::red_flags },
    Group { metrics: &["alarm_query_p99_ms_sqlite"], run: alarms::sqlite },
    Group { metrics: &["alarm_query_p99_ms_postgres"], run: alarms::postgres },
    Group { metrics: &["alarm_to_console_p99_ms"], run: live::alarms },
    Group { metrics: &["sse_streams_held"], run: live::streams },
    Group {
        metrics: &["console_first_paint_ms", "console_raise_to_visible_p95_ms", "console_scroll_frame_p95_ms"],
        run: console::page,
    },
    Group { metrics: &["trend_day_100k_p95_ms"], run: console::trend },
    Group { metrics: &["vision_vs_bare_ort"], run: cameras::chain },
    Group { metrics: &["cameras_on_2_cores", "camera_rss_mb"], run: cameras::load },
    Group { metrics: &["fall_to_hq_p99_s"], run: cameras::latency },
];

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wanted = |group: &&Group| only.as_deref().is_none_or(|name| group.metrics.contains(&name));
    let groups: Vec<&Group> = GROUPS.iter().filter(wanted).collect();
    if groups.is_empty() {
        let names: Vec<_> = GROUPS.iter().flat_map(|g| g.metrics).copied().collect();
        bail!("no metric of that name; there are: {}", names.join(", "));
    }
    let mut failed = 0;
    for group in groups {
        println!("measuring {} ...", group.metrics.join(", "));
        match (group.run)() {
            Ok(metrics) => report::add(&metrics)?,
            Err(error) => {
                failed += 1;
                println!("  could not be measured: {error:#}");
            }
        }
    }
    report::print()?;
    if failed > 0 {
        bail!("{failed} bench(es) could not run");
    }
    Ok(())
}
