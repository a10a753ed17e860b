//! Any three texts as a site file, an instrument file and a point list, divided by form feeds: a site, or
//! problems that each say where and what.

use minewatch_gateway::config::{Texts, build};
use minewatch_gateway::instrument::RegisterMap;

/// The target.
pub(crate) fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\u{c}').map(str::to_owned);
    let site = parts.next().unwrap_or_default();
    let instrument = parts.next().unwrap_or_default();
    let points = parts.next().unwrap_or_default();
    if let Err(problems) = RegisterMap::parse("seed.toml", &instrument) {
        assert!(!problems.is_empty(), "a refused file has a problem");
    }
    let texts = Texts {
        site_name: "site.toml".to_owned(),
        site,
        instruments: [("seed".to_owned(), instrument)].into(),
        available: ["seed".to_owned()].into(),
        imports: [("points.csv".to_owned(), points)].into(),
        ..Texts::default()
    };
    if let Err(problems) = build(&texts) {
        assert!(!problems.is_empty(), "a refused site has a problem");
        assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
}
