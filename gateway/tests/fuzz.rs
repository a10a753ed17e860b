//! The fuzz targets of configuration files and of Modbus answers over changed seeds (see `tests/fuzz`).

#![allow(missing_docs)]

#[path = "../../tests/fuzz/bodies/modbus.rs"]
mod modbus;
#[path = "../../tests/fuzz/bodies/site.rs"]
mod site;
#[path = "../../tests/fuzz/bodies/smoke.rs"]
mod smoke;

use std::path::Path;

/// Site, instrument and point list that go together, then every shipped site and instrument.
fn files() -> Vec<Vec<u8>> {
    let site = "[gateway]\nid = \"gw\"\n[site]\nname = { zh = \"坝\", en = \"Dam\" }\ngroup = \"g\"\ncompany = \"c\"\n\
        mine = \"m\"\nfacility = \"f\"\n[spool]\ndir = \"spool\"\n[uplink]\nurl = \"mqtt://127.0.0.1:1\"\n\
        [[bus]]\nid = \"b\"\nkind = \"tcp\"\nhost = \"127.0.0.1\"\nport = 502\n\
        [[device]]\nid = \"d\"\nbus = \"b\"\nunit = 1\ninstrument = \"seed\"\npoints = \"all\"\n";
    let instrument = "id = \"seed\"\nname = { zh = \"计\", en = \"Gauge\" }\nsource = [\"x\"]\nverified = \"document\"\n\
        function = \"holding\"\n[[quantity]]\nid = \"q\"\nname = { zh = \"量\", en = \"Q\" }\nregister = 1\ntype = \"f32\"\n";
    let points = "device,id,quantity\nd,d.q,q\n";
    let mut seeds = vec![[site, instrument, points].join("\u{c}").into_bytes()];
    for folder in ["sites", "sensors"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-configs").join(folder);
        let mut paths: Vec<_> = std::fs::read_dir(folder).expect("shipped files").flatten().map(|e| e.path()).collect();
        paths.sort();
        seeds.extend(paths.iter().filter_map(|path| std::fs::read(path).ok()));
    }
    seeds
}

#[test]
fn no_files_make_the_configuration_reader_panic() {
    smoke::run(&files(), 1_500, site::body);
}

#[test]
fn no_answer_of_a_peer_makes_the_link_panic_or_becomes_a_value_it_was_not() {
    let tcp = |rest: &[u8]| [&[0u8, 0, 0, 0, 0][..], rest].concat();
    let seeds = [
        tcp(&[0, 7, 1, 3, 4, 0x12, 0x34, 0x56, 0x78]),
        tcp(&[0, 3, 1, 0x83, 2]),
        // As serial frames: unit, function, count, two words, CRC of exactly these.
        vec![1, 1, 3, 4, 0, 6, 0, 5, 0xda, 0x31],
        vec![1, 1, 0x83, 2, 0xc0, 0xf1],
    ];
    smoke::run(&seeds, 150, modbus::body);
}
