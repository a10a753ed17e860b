//! Many waiting notices become one message: the worst are named, the rest is counted. Pure.

use super::message::{Body, word_zh};
use super::sender::Notice;
use minewatch_domain::{At, Level};

/// Notices named in a digest; with the limit of a field it fits every robot's message.
pub(super) const LINES_MAX: usize = 20;

fn line(notice: &Notice) -> (String, String) {
    let body = &notice.body;
    let word = word_zh(notice.level);
    (
        format!("【{word}】{} {}", super::message::cut(&body.place_zh, 90), super::message::cut(&body.what_zh, 120)),
        format!(
            "[{}] {} {}",
            notice.level.name(),
            super::message::cut(&body.place_en, 90),
            super::message::cut(&body.what_en, 120)
        ),
    )
}

/// The digest of `members` (worst first) for one channel and target.
pub(super) fn of(members: &[&Notice], now: At) -> Notice {
    let level = members.iter().map(|n| n.level).max().unwrap_or(Level::Normal);
    let first = members.first().map_or("none", |n| n.id.as_str());
    let key = super::public_key(first);
    let mut digest = Notice::blank(&format!("digest/{}/{}", now.micros(), key), level);
    let count = members.len();
    digest.step = "digest".to_owned();
    digest.channel = members.first().map_or_else(String::new, |n| n.channel.clone());
    digest.target = members.first().map_or_else(String::new, |n| n.target.clone());
    digest.domain = members.first().map_or_else(String::new, |n| n.domain.clone());
    digest.org = members.first().map_or_else(String::new, |n| n.org.clone());
    digest.body = Body {
        title_zh: format!("汇总 {count} 条"),
        title_en: format!("{count} notices"),
        place_zh: "多处".to_owned(),
        place_en: "several places".to_owned(),
        what_zh: format!("{count} 条预警"),
        what_en: format!("{count} warnings"),
        since_us: members.iter().map(|n| n.body.since_us).min().unwrap_or(now.micros()),
        link: "/".to_owned(),
        lines: members.iter().take(LINES_MAX).map(|n| line(n)).collect(),
        more: count.saturating_sub(LINES_MAX),
    };
    digest.due = now;
    digest.created = now;
    digest
}
