//! Red flags over a synthetic file of 300,000 contracting processes: bytes per CPU second, and,
//! where the path of the public `cardinal` tool is given in `MINEWATCH_CARDINAL`, against it on
//! the same file.

use crate::report::{Good, Metric};
use anyhow::{Context, Result};
use minewatch_tests::process::{binary, run, scratch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

/// Contracting processes; with their size about half a gigabyte.
const PROCESSES: u32 = 300_000;
/// Runs a command and prints its user CPU seconds and its largest memory in KiB.
const MEASURE: &str = "import resource,subprocess,sys\n\
    subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,check=True)\n\
    r=resource.getrusage(resource.RUSAGE_CHILDREN);print(r.ru_utime,r.ru_maxrss)";
const SETTINGS: &str =
    "currency = CNY\n[R003]\n[R018]\n[R024]\n[R025]\n[R028]\n[R030]\n[R035]\n[R036]\n[R038]\n[R048]\n[R058]\n";

/// One process as JSON, with the fields real publishers have around those that matter.
fn process(out: &mut impl Write, random: &mut StdRng, n: u32) -> Result<()> {
    let bidders = random.random_range(1..7u32);
    let base = f64::from(random.random_range(100_000..90_000_000u32));
    let end = random.random_range(1..29u32);
    write!(
        out,
        "{{\"ocid\":\"ocds-bench-{n:07}\",\"id\":\"{n}-1\",\"date\":\"2026-02-01T00:00:00Z\",\"tag\":[\"compiled\"],\
         \"buyer\":{{\"id\":\"BUYER-{}\",\"name\":\"采购单位\"}},\"tender\":{{\"id\":\"{n}\",\"title\":\"{}\",\"status\":\"complete\",\
         \"procurementMethod\":\"open\",\"procurementMethodDetails\":\"公开招标\",\"numberOfTenderers\":{bidders},\
         \"tenderPeriod\":{{\"startDate\":\"2026-01-01T00:00:00Z\",\"endDate\":\"2026-01-{end:02}T00:00:00Z\"}},\
         \"procuringEntity\":{{\"id\":\"ENTITY-{}\"}}}},\"bids\":{{\"details\":[",
        random.random_range(0..900),
        "tailings pump station, civil works and installation ".repeat(6),
        random.random_range(0..1_500)
    )?;
    let suppliers: Vec<u32> = (0..bidders).map(|_| random.random_range(0..40_000)).collect();
    for (place, supplier) in suppliers.iter().enumerate() {
        let status = if place > 0 && random.random_range(0..12) == 0 { "disqualified" } else { "valid" };
        let amount = base * (1.0 + 0.01 * place as f64 * random.random_range(0.1..3.0));
        let comma = if place > 0 { "," } else { "" };
        write!(
            out,
            "{comma}{{\"id\":\"{n}-{place}\",\"status\":\"{status}\",\"date\":\"2026-01-{:02}T09:00:00Z\",\
             \"tenderers\":[{{\"id\":\"SUPPLIER-{supplier}\",\"name\":\"投标人{supplier}\"}}],\
             \"value\":{{\"amount\":{amount:.2},\"currency\":\"CNY\"}}}}",
            random.random_range(1..29)
        )?;
    }
    writeln!(
        out,
        "]}},\"awards\":[{{\"id\":\"{n}\",\"status\":\"active\",\"suppliers\":[{{\"id\":\"SUPPLIER-{}\"}}],\"items\":[\
         {{\"id\":\"1\",\"description\":\"{}\",\"classification\":{{\"scheme\":\"UNSPSC\",\"id\":\"{:08}\"}}}}]}}]}}",
        suppliers.first().copied().unwrap_or_default(),
        "steel pipe DN300, butt welded, coated ".repeat(8),
        random.random_range(10_000_000..99_000_000)
    )?;
    Ok(())
}

/// User CPU seconds and MiB of one run.
fn measured(command: &[&str]) -> Result<(f64, f64)> {
    let said = run(Command::new("python3").args(["-c", MEASURE]).args(command))?;
    let mut numbers = said.lines().last().unwrap_or_default().split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("a number")?.context("a number");
    Ok((next()?, next()? / 1024.0))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// `aggregator procurement flags` with all indicators and maps.
pub(crate) fn red_flags() -> Result<Vec<Metric>> {
    let folder = scratch("bench-ocds")?;
    let (file, settings) = (folder.join("processes.jsonl"), folder.join("all.ini"));
    fs::write(&settings, SETTINGS)?;
    let mut out = BufWriter::new(File::create(&file)?);
    let mut random = StdRng::seed_from_u64(41);
    for n in 0..PROCESSES {
        process(&mut out, &mut random, n)?;
    }
    out.flush()?;
    let megabytes = fs::metadata(&file)?.len() as f64 / 1e6;
    let aggregator = binary("aggregator")?;
    let ours = [text(&aggregator)?, "procurement", "flags", text(&file)?, "--settings", text(&settings)?, "--map"];
    let (cpu, memory) = measured(&ours)?;
    let described =
        format!("{PROCESSES} processes, {megabytes:.0} MB, 11 indicators, maps; {cpu:.2} user CPU s, {memory:.0} MiB");
    let mut metrics =
        vec![Metric::new("ocds_mb_per_cpu_s", megabytes / cpu, "MB/CPU s", (Good::AtLeast, 82.0), &described)];
    if let Some(peer) = std::env::var_os("MINEWATCH_CARDINAL") {
        let peer = Path::new(&peer);
        let theirs = [text(peer)?, "indicators", "--settings", text(&settings)?, "--map", text(&file)?];
        let (peer_cpu, peer_memory) = measured(&theirs)?;
        let against = format!("cardinal {peer_cpu:.2} user CPU s, {peer_memory:.0} MiB; {described}");
        metrics.push(Metric::new("ocds_cpu_vs_cardinal", cpu / peer_cpu, "ratio", (Good::AtMost, 0.5), &against));
    }
    fs::remove_file(&file)?;
    Ok(metrics)
}
