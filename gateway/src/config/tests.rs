use super::*;
use crate::instrument::RegisterMap;
use std::path::{Path, PathBuf};

const PRESSURE: &str = "id = 'geo'\nname = { zh = '渗压计', en = 'Piezometer' }\nsource = 'https://example.com'\nverified = 'document'\nfunction = 'input'\nperiod_min_ms = 500\n[[quantity]]\nid = 'pressure'\nname = { zh = '渗压', en = 'Pressure' }\nregister = 0\ntype = 'f32'\nunit = 'kPa'\nrange = [-10, 500]\n[[quantity]]\nid = 'temperature'\nname = { zh = '水温', en = 'Temperature' }\nregister = 2\ntype = 'f32'\nunit = '°C'\n[[blocked]]\nfunction = 'coil'\nregister = 7\nreason = 'resets the unit'\n";

const HEAD: &str = "[gateway]\nid = 'gw-01'\n[site]\nname = { zh = '甲库', en = 'Pond A' }\ngroup = 'g'\ncompany = 'c'\nmine = 'm'\nfacility = 'f'\n[spool]\ndir = 'spool'\n[uplink]\nurl = 'mqtt://broker:1883'\n[[bus]]\nid = 'east'\nkind = 'tcp'\nhost = '10.0.0.5'\n";

const DEVICE: &str = "[[device]]\nid = 'pz-01'\nbus = 'east'\nunit = 1\ninstrument = 'geo'\ntimeout_ms = 200\n";

const PROFILE: &str = "name = { zh = '标准', en = 'Standard' }\nfps = 8\nheight = 360\n";

const EVIDENCE: &str = "[evidence]\ndir = 'evidence'\n";

fn texts(site: &str) -> Texts {
    Texts {
        site_name: "site.toml".into(),
        dir: PathBuf::from("/etc/minewatch"),
        site: site.to_owned(),
        instruments: [("geo".to_owned(), PRESSURE.to_owned())].into(),
        available: ["keller-30x".to_owned()].into(),
        imports: Default::default(),
        dam: None,
        profiles: [("standard".to_owned(), PROFILE.to_owned())].into(),
    }
}

fn problems(body: &str) -> Vec<String> {
    build(&texts(&format!("{HEAD}{body}"))).expect_err("must be refused").iter().map(ToString::to_string).collect()
}

fn check(body: &str, expected: &[&str]) {
    let found = problems(body);
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn a_short_site_file_describes_a_whole_site() {
    let site = build(&texts(&format!("{HEAD}{DEVICE}points = 'all'\n"))).expect("valid");
    assert_eq!(
        site.points.iter().map(|p| p.id.to_string()).collect::<Vec<_>>(),
        ["pz-01.pressure", "pz-01.temperature"]
    );
    assert_eq!(site.polls.len(), 1, "one period, one poll");
    assert_eq!(site.polls[0].plan.requests.len(), 1, "four adjacent registers are one request");
    assert_eq!(site.spool.dir, Path::new("/etc/minewatch/spool"));
    assert!(site.http_listen.ip().is_loopback());
    assert_eq!(site.points[0].qualify.range, Some((-10.0, 500.0)), "the instrument's range holds");
    assert_eq!((site.uplink.host.as_str(), site.uplink.port, site.uplink.tls), ("broker", 1883, false));
}

#[test]
fn a_mistyped_quantity_bus_instrument_and_key_are_named_with_what_was_meant() {
    let body = "[[device]]\nid = 'pz-03'\nbus = 'eest'\nunit = 3\ninstrument = 'geo'\npoint = [{ quantity = 'presure', perid_ms = 5 }]\n[[device]]\nid = 'pz-04'\nbus = 'east'\nunit = 4\ninstrument = 'keler-30x'\n";
    check(
        body,
        &[
            "site.toml: device[0] \"pz-03\": bus \"eest\" is not defined; did you mean \"east\"?",
            "site.toml: device[0] \"pz-03\": point[0] \"presure\": quantity \"presure\" is not in geo; did you mean \"pressure\"?",
            "site.toml: device[0] \"pz-03\": point[0] \"presure\": unknown key \"perid_ms\"; did you mean \"period_ms\"?",
            "site.toml: device[0] \"pz-03\": has no points; add [[device.point]] entries or points = \"all\"",
            "site.toml: device[1] \"pz-04\": instrument \"keler-30x\" has no file; did you mean \"keller-30x\"?",
        ],
    );
}

#[test]
fn what_only_the_whole_site_shows_is_found_too() {
    let body = format!(
        "{DEVICE}points = 'all'\ndefaults = {{ period_ms = 200, keep_alive_ms = 100 }}\n{}points = 'all'\n[[siren]]\nid = 'horn'\nname = {{ zh = '警报', en = 'Horn' }}\nbus = 'east'\nunit = 1\ncoil = 7\nreadback = {{ function = 'discrete', address = 0 }}\n",
        DEVICE.replace("pz-01", "pz-02")
    );
    let found = problems(&body);
    for line in [
        "site.toml: device \"pz-02\": unit 1 on bus \"east\" is already device \"pz-01\"; both would answer",
        "site.toml: device \"pz-01\": timeout_ms is 200 but must be below period_ms (200); a late answer would overlap the next poll",
        "site.toml: device \"pz-01\": period_ms is 200 but geo delivers a value every 500 ms at best",
        "site.toml: device \"pz-01\": point \"pz-01.pressure\": keep_alive_ms is 100 but must not be below period_ms (200)",
        "site.toml: siren \"horn\": coil 7 is blocked by geo: resets the unit",
    ] {
        assert!(found.iter().any(|f| f == line), "missing: {line}\nfound: {found:#?}");
    }
}

#[test]
fn a_device_that_may_take_two_minutes_does_not_share_a_bus_with_a_hurried_one() {
    let slow = DEVICE.replace("pz-01", "box").replace("unit = 1", "unit = 2").replace("200", "120000");
    let body = format!("{DEVICE}points = 'all'\n{slow}points = 'all'\ndefaults = {{ period_ms = 130000 }}\n");
    check(
        &body,
        &[
            "site.toml: device \"box\": may take timeout_ms (120000) to answer, while device \"pz-01\" on the same bus is polled every 10000 ms; give it a bus of its own or a shorter timeout",
        ],
    );
}

#[test]
fn a_siren_does_not_wait_behind_a_slow_device_and_a_replaced_device_keeps_its_entry() {
    let slow = DEVICE.replace("200", "5000");
    let old = DEVICE.replace("pz-01", "pz-01-old");
    let siren = "[[siren]]\nid = 'horn'\nname = { zh = '警报', en = 'Horn' }\nbus = 'east'\nunit = 9\ncoil = 0\nreadback = { function = 'discrete', address = 0 }\n";
    check(
        &format!("{slow}points = 'all'\n{old}enabled = false\npoints = 'all'\n{siren}"),
        &[
            "site.toml: siren \"horn\": must be confirmed within confirm_ms (2000) but may wait 5000 ms behind device \"pz-01\" on the same bus; give the siren a bus of its own",
        ],
    );
}

#[test]
fn thresholds_out_of_order_or_out_of_reach_are_refused() {
    check(
        &format!("{DEVICE}[[device.point]]\nquantity = 'pressure'\nhigh = {{ blue = 100, yellow = 90, red = 300 }}\n"),
        &[
            "site.toml: device[0] \"pz-01\": point[0] \"pressure\": high: yellow is 90 but must be above blue (100); the worse level must come later",
        ],
    );
    check(
        &format!("{DEVICE}[[device.point]]\nquantity = 'pressure'\nhigh = {{ red = 600 }}\nlow = {{ blue = 700 }}\n"),
        &[
            "site.toml: device \"pz-01\": point \"pz-01.pressure\": high.red is 600, outside the valid range [-10, 500]; it could never be reached",
            "site.toml: device \"pz-01\": point \"pz-01.pressure\": low.blue is 700, outside the valid range [-10, 500]; it could never be reached",
            "site.toml: device \"pz-01\": point \"pz-01.pressure\": low.blue is 700 but must be below high.red (600); no value would be normal",
        ],
    );
}

#[test]
fn a_secret_in_the_configuration_is_refused() {
    let site = format!("{HEAD}{DEVICE}points = 'all'\n")
        .replace("'mqtt://broker:1883'", "'mqtt://u:p@broker'\npassword = 'x'");
    let found: Vec<String> = build(&texts(&site)).expect_err("secrets").iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|line| line.contains("password_file") && !line.contains("u:p")), "{found:#?}");
}

#[test]
fn a_page_for_other_machines_must_be_asked_for() {
    let site = format!("{HEAD}{DEVICE}points = 'all'\n[http]\nlisten = '0.0.0.0:80'\n");
    assert!(build(&texts(&site)).is_err());
    assert!(build(&texts(&format!("{site}allow_remote = true\n"))).is_ok());
}

#[test]
fn a_calibration_sheet_changes_value_unit_and_range_of_its_own_device_only() {
    let body = format!(
        "{HEAD}{DEVICE}[[device.point]]\nquantity = 'pressure'\ncalibration = [100.0, 0.102]\nunit = 'm'\n{}points = 'all'\n",
        DEVICE.replace("pz-01", "pz-02").replace("unit = 1", "unit = 2")
    );
    let site = build(&texts(&body)).expect("valid");
    assert_eq!((site.points[0].unit.as_str(), site.points[0].qualify.range), ("m", None));
    assert_eq!(site.devices[0].map.quantities[0].calibrated(10.0), 101.02);
    assert_eq!(site.devices[1].map.quantities[0].calibrated(10.0), 10.0);
    assert_eq!(site.points[1].unit, "kPa");
}

#[test]
fn settings_come_from_the_site_then_the_device_then_the_point() {
    let body = format!(
        "{HEAD}[defaults]\nperiod_ms = 2000\ndeadband = 0.5\n{DEVICE}defaults = {{ period_ms = 3000 }}\npoint = [{{ quantity = 'pressure', deadband_percent = 1 }}, {{ quantity = 'temperature', period_ms = 4000 }}]\n"
    );
    let site = build(&texts(&body)).expect("valid");
    let seen: Vec<(u64, Deadband)> = site.points.iter().map(|p| (p.period_ms, p.deadband)).collect();
    assert_eq!(seen, [(3_000, Deadband::Percent(1.0)), (4_000, Deadband::Absolute(0.5))]);
    assert_eq!(site.polls.len(), 2, "two periods, two polls");
}

#[test]
fn a_point_list_in_csv_reports_each_bad_line_and_keeps_the_good_ones() {
    let csv = "device,quantity,name.zh,name.en,period_ms,high.red\npz-01,pressure,渗压一,P1,1000,120\npz-01,presure,,,,\npz-09,pressure,,,,\nshort\n";
    let mut texts = texts(&format!("points_csv = 'p.csv'\n{HEAD}{DEVICE}"));
    texts.imports.insert("p.csv".into(), csv.into());
    let found: Vec<String> = build(&texts).expect_err("bad lines").iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:#?}");
    for (line, what) in [(3, "presure"), (4, "pz-09"), (5, "1 cells")] {
        assert!(
            found.iter().any(|f| f.starts_with(&format!("p.csv: line {line}: ")) && f.contains(what)),
            "{found:#?}"
        );
    }
    texts.imports.insert("p.csv".into(), csv.lines().take(2).collect::<Vec<_>>().join("\n"));
    let site = build(&texts).expect("the good lines alone are valid");
    assert_eq!((site.points[0].name.zh.as_str(), site.points[0].levels.high.red), ("渗压一", Some(120.0)));
}

#[test]
fn the_hash_changes_with_every_byte_of_every_file() {
    let base = texts(&format!("{HEAD}{DEVICE}points = 'all'\n"));
    let hash = |texts: &Texts| build(texts).expect("valid").hash;
    let mut other = base.clone();
    other.instruments.insert("geo".into(), format!("{PRESSURE}# a comment\n"));
    assert_eq!(hash(&base), hash(&base));
    assert_ne!(hash(&base), hash(&other));
    assert_eq!(hash(&base).hex().len(), 64);
    assert_eq!(format!("{:016x}", hash(&base).short()), hash(&base).hex()[..16]);
}

fn shipped(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-configs").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).expect("folder").map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_shipped_instrument_file_is_valid() {
    let files = shipped("sensors");
    assert!(files.len() >= 18, "only {} files were looked at", files.len());
    let mut found = Vec::new();
    for path in files {
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        match RegisterMap::parse(&name, &std::fs::read_to_string(&path).expect("text")) {
            Ok(map) => assert!(!map.quantities.is_empty()),
            Err(problems) => found.extend(problems.iter().map(ToString::to_string)),
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_shipped_site_is_valid_and_has_a_catalogue() {
    let files = shipped("sites");
    assert!(files.len() >= 5, "only {} files were looked at", files.len());
    for path in files {
        let site = load(&path).unwrap_or_else(|found| panic!("{}: {found:#?}", path.display()));
        let parts = catalogue(&site);
        let computed = site.dam.as_ref().map_or(0, |dam| dam.derived.len());
        assert_eq!(parts.iter().map(|part| part.points.len()).sum::<usize>(), site.points.len() + computed);
        assert!(parts.iter().all(|part| part.points.len() <= minewatch_domain::Catalogue::POINTS_MAX));
        for point in &site.points {
            assert!(!point.name.zh.is_empty() && !point.name.en.is_empty(), "{}", point.id);
        }
    }
}

#[test]
fn a_counter_device_is_ninety_nine_points_in_one_request() {
    let path = shipped("sites").into_iter().find(|p| p.ends_with("loss-test.toml")).expect("loss-test.toml");
    let site = load(&path).expect("valid");
    assert_eq!((site.devices.len(), site.points.len()), (10, 990));
    assert!(site.polls.iter().all(|poll| poll.plan.requests.len() == 1 && poll.plan.requests[0].count == 100));
    assert_eq!(catalogue(&site).len(), 5);
}

#[test]
fn the_demo_pond_warns_from_yellow_to_red_and_sounds_the_siren_at_orange() {
    let path = shipped("sites").into_iter().find(|p| p.ends_with("demo.toml")).expect("demo.toml");
    let site = load(&path).expect("valid");
    assert_eq!(site.devices.len(), 1 + 1 + 1 + 6 + 4);
    let catalogue = catalogue(&site);
    let of = |id: &str| catalogue[0].points.iter().find(|p| p.point.as_str() == id).expect("in the catalogue");
    assert_eq!(of("pond.level").high.red, Some(124.10), "headquarters is told the dam file's limits");
    assert_eq!((of("rain.24h").high.yellow, of("rain.24h").unit.as_str()), (Some(50.0), "mm"), "the standard's too");
    assert_eq!(site.sirens[0].level_from, minewatch_domain::Level::Orange);
}

#[test]
fn the_first_part_of_a_catalogue_says_what_the_site_looks_like() {
    let path = shipped("sites").into_iter().find(|p| p.ends_with("demo.toml")).expect("demo.toml");
    let parts = catalogue(&load(&path).expect("valid"));
    let outline = parts[0].outline.as_ref().expect("an outline");
    let dam = outline.dam.as_ref().expect("a dam");
    assert_eq!((dam.sections[0].piezometers.len(), dam.items.len()), (6, 7));
    assert_eq!(dam.items[5].points.len(), 7, "the phreatic line's piezometers and its burial depth");
    assert_eq!(outline.location.map(|at| at.latitude), Some(30.92));
    assert_eq!(outline.cameras[0].id, "cam-yard");
}

#[test]
fn a_site_stands_on_earth() {
    let off = HEAD.replace("facility = 'f'\n", "facility = 'f'\nlocation = { longitude = 200, latitude = 1 }\n");
    let texts = Texts { site_name: "s.toml".to_owned(), site: off, ..Texts::default() };
    let found = build(&texts).expect_err("no such place");
    assert!(found.iter().any(|problem| problem.to_string().contains("longitude must be")), "{found:?}");
}

#[test]
fn a_missing_file_is_a_problem_with_its_name() {
    let found = load(Path::new("/nonexistent/site.toml")).expect_err("missing");
    assert!(found[0].to_string().starts_with("/nonexistent/site.toml: cannot be read: "), "{found:?}");
}

#[test]
fn a_camera_takes_its_profile_and_says_what_differs() {
    let body = "[[camera]]\nid = 'cam-01'\nname = { zh = '坝顶', en = 'Crest' }\nprofile = 'standard'\nfps = 12\nurl = 'rtsp://10.0.0.9/2'\nrecord_url = 'rtsp://10.0.0.9/1'\nusername = 'viewer'\npassword_file = 'secrets/cam'\nhours = '22:00-06:00'\n[[camera.zone]]\nid = 'edge'\nkind = 'edge'\ncorners = [0, 0.5, 1, 0.5]\n";
    let site = build(&texts(&format!("{HEAD}{EVIDENCE}{body}"))).unwrap_or_else(|found| panic!("{found:#?}"));
    let cameras = site.cameras.expect("cameras");
    let camera = &cameras.settings.cameras[0];
    assert_eq!((camera.sampling.fps, camera.sampling.height, camera.sampling.fps_floor), (12.0, 360, 1.0));
    assert_eq!(camera.profile.hours[0].from_min, 22 * 60);
    assert!(
        matches!(&camera.record, Some(minewatch_camera::Source::Rtsp { login: Some((_, file)), .. }) if file == "/etc/minewatch/secrets/cam")
    );
    assert_eq!(cameras.settings.evidence.dir, "/etc/minewatch/evidence");
    assert!(cameras.settings.evidence.blur && cameras.send.is_none(), "faces stay, and nothing is sent, unless said");
}

#[test]
fn every_mistake_about_a_camera_is_named_at_once() {
    check(
        "[[camera]]\nid = 'cam-01'\nname = { zh = '坝顶', en = 'Crest' }\nprofile = 'standart'\nurl = 'rtsp://u:p@10.0.0.9/2'\npassword = 'x'\ntiles = [9, 1]\nhours = 'always'\n",
        &["site.toml: [evidence] is missing; a site with cameras needs its folder for events and clips"],
    );
    check(
        &format!(
            "{EVIDENCE}[[camera]]\nid = 'cam-01'\nname = {{ zh = '坝顶', en = 'Crest' }}\nprofile = 'standart'\nurl = 'rtsp://u:p@10.0.0.9/2'\npassword = 'x'\nfps = 0\nhours = 'always'\n[[camera.zone]]\nid = 'z'\nkind = 'mask'\ncorners = [0, 2]\n"
        ),
        &[
            "site.toml: camera[0] \"cam-01\": profile \"standart\" is not in the camera profiles folder; did you mean \"standard\"?",
            "site.toml: camera[0] \"cam-01\": fps is 0 but must be from 0.1 to 30",
            "site.toml: camera[0] \"cam-01\": password must not stand in a configuration; put it in a file and name it with password_file",
            "site.toml: camera[0] \"cam-01\": url: the URL must not hold a user name or password; use username and password_file",
            "site.toml: camera[0] \"cam-01\": hours \"always\" is not a span such as 22:00-06:00",
            "site.toml: camera[0] \"cam-01\": zone \"z\": 1 corners but must be 3 to 64",
            "site.toml: camera[0] \"cam-01\": zone \"z\": corners are shares of the picture, 0 to 1",
        ],
    );
}

#[test]
fn every_shipped_camera_profile_is_valid() {
    let files = shipped("cameras");
    assert!(files.len() >= 3, "only {} files were looked at", files.len());
    for path in files {
        let name = path.file_stem().expect("name").to_string_lossy().into_owned();
        let mut texts = texts(&format!(
            "{HEAD}{EVIDENCE}[[camera]]\nid = 'c'\nname = {{ zh = '甲', en = 'A' }}\nprofile = '{name}'\ntest = true\n"
        ));
        texts.profiles.insert(name, std::fs::read_to_string(&path).expect("text"));
        build(&texts).unwrap_or_else(|found| panic!("{}: {found:#?}", path.display()));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_builder_panic(text in ".{0,300}") {
        let _ = build(&texts(&text));
    }

    #[test]
    fn no_cut_of_a_valid_file_makes_the_builder_panic(cut in 0usize..700) {
        let site = format!("{HEAD}{DEVICE}points = 'all'\n");
        let end = (0..=cut.min(site.len())).rev().find(|i| site.is_char_boundary(*i)).unwrap_or(0);
        let _ = build(&texts(&site[..end]));
    }
}

#[test]
fn the_shipped_dam_files_and_the_demo_site_beside_its_own_are_sound() {
    let dams = shipped("sites/dams");
    assert!(dams.len() >= 3, "a wet dam, a dry stack and the demo: {dams:?}");
    for path in dams {
        let text = std::fs::read_to_string(&path).expect("readable");
        let file = minewatch_dam::dam_file::DamFile::parse("dam.toml", &text);
        let file = file.unwrap_or_else(|found| panic!("{}: {found:#?}", path.display()));
        minewatch_dam::model::Plan::new(file).expect("runs");
    }
}

#[test]
fn a_dam_file_is_held_against_the_site_it_stands_beside() {
    let path = shipped("sites").into_iter().find(|p| p.ends_with("demo.toml")).expect("demo.toml");
    let folder = path.parent().expect("a folder");
    let dam = std::fs::read_to_string(folder.join("dams/demo.toml")).expect("readable");
    let site = load(&path).expect("valid");
    let wrong = |from: &str, to: &str| {
        assert!(dam.contains(from), "{from}");
        let file = minewatch_dam::dam_file::DamFile::parse("d", &dam.replace(from, to)).expect("valid by itself");
        let problems = Problems::default();
        super::check_dam::check("s", &site, &file, &problems);
        problems.or(Some(())).map_or_else(|found| found.iter().map(ToString::to_string).collect(), |()| Vec::new())
    };
    assert_eq!(
        wrong("pond.beach", "pond.beech"),
        ["s: dam: point \"pond.beech\" is not measured at this site; did you mean \"pond.beach\"?"]
    );
    assert_eq!(
        wrong("freeboard_flood = { input = \"pond.level\"", "freeboard_flood = { input = \"rain.total\""),
        ["s: dam: derived \"pond.flood-freeboard\": rain.total is in \"mm\" but the formula takes \"m\""]
    );
    assert_eq!(wrong("main.surrogate-fs", "pz11.temperature").len(), 1, "a computed point has an id of its own");
}
