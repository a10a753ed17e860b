//! What a notice says: level word, place, what, since when, where to look; Chinese first. Pure.
//!
//! Invariant: a message is made of these fields only, each cleaned of control characters and cut to
//! its limit; the link is never cut. Deliberately absent: personal data, clips, free text of people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minewatch_domain::Level;
use serde::{Deserialize, Serialize};

/// Longest field taken over, in characters; a place or a rule's sentence is far shorter.
const FIELD_CHARS_MAX: usize = 300;
/// Longest link, in bytes.
const LINK_BYTES_MAX: usize = 500;

/// The body of a notice as the case step wrote it (column `body`, JSON).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// What is wanted of the reader, for example 请确认.
    pub title_zh: String,
    /// The same in English.
    pub title_en: String,
    /// Place, from group down to the point.
    pub place_zh: String,
    /// The same in English.
    pub place_en: String,
    /// What happened.
    pub what_zh: String,
    /// The same in English.
    pub what_en: String,
    /// Since when, microseconds since 1970.
    pub since_us: i64,
    /// Path of the page to open, below the console's address.
    pub link: String,
    /// A digest's lines (Chinese, English), worst first; empty for a single notice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<(String, String)>,
    /// Notices a digest stands for beyond its lines.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A message ready to be formatted for a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Idempotency key.
    pub id: String,
    /// Case it belongs to, when there is one: one mail thread each.
    pub case: Option<String>,
    /// Worst level in it.
    pub level: Level,
    /// Domain (`dam`, `fall`, `credit`, ...).
    pub domain: String,
    /// Organisation path.
    pub org: String,
    /// Texts, cleaned.
    pub body: Body,
    /// Since when, in local time, for people.
    pub since: String,
    /// Full link, or empty.
    pub link: String,
}

/// Level word in Chinese.
pub(super) fn word_zh(level: Level) -> &'static str {
    match level {
        Level::Normal => "通知",
        Level::Blue => "蓝色预警",
        Level::Yellow => "黄色预警",
        Level::Orange => "橙色预警",
        Level::Red => "红色预警",
    }
}

/// Level word in English.
pub(super) fn word_en(level: Level) -> &'static str {
    match level {
        Level::Normal => "NOTICE",
        Level::Blue => "BLUE",
        Level::Yellow => "YELLOW",
        Level::Orange => "ORANGE",
        Level::Red => "RED",
    }
}

/// One line of plain text: control characters and line breaks become spaces, markup characters
/// their full-width twins, so that a name can neither forge a line nor a link in a robot's markdown.
pub(super) fn clean(text: &str) -> String {
    let plain = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '`' => '＇',
        '*' => '＊',
        c if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            ' '
        }
        c => c,
    };
    text.chars().take(FIELD_CHARS_MAX).map(plain).collect::<String>().trim().to_owned()
}

/// Cuts to at most `max` bytes at a character's edge and says so with an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mark = "…";
    let mut end = max.saturating_sub(mark.len());
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}", &text[..end])
}

/// Local time for people: `2026-11-24 21:05 +08:00`.
pub(super) fn local(at_us: i64, zone: &TimeZone) -> String {
    match Timestamp::from_microsecond(at_us) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// The full link: only a path of ours below the configured address, never a foreign address.
fn full_link(base: Option<&str>, path: &str) -> String {
    let sound = path.starts_with('/') && !path.starts_with("//") && path.len() <= LINK_BYTES_MAX;
    let plain = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '(' | ')' | '\\' | '`'));
    match base {
        Some(base) if sound && plain => format!("{}{path}", base.trim_end_matches('/')),
        Some(_) | None => String::new(),
    }
}

/// A title without a level word of its own: the message has one.
fn bare(title: &str) -> &str {
    let zh = title.strip_prefix('【').and_then(|rest| rest.split_once('】'));
    let en = title.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    zh.or(en).map_or(title, |(_, rest)| rest.trim_start())
}

impl Message {
    /// The message of one notice.
    pub fn single(notice: &super::Notice, zone: &TimeZone, base: Option<&str>) -> Message {
        let body = Body {
            title_zh: clean(bare(&notice.body.title_zh)),
            title_en: clean(bare(&notice.body.title_en)),
            place_zh: clean(&notice.body.place_zh),
            place_en: clean(&notice.body.place_en),
            what_zh: clean(&notice.body.what_zh),
            what_en: clean(&notice.body.what_en),
            since_us: notice.body.since_us,
            link: notice.body.link.clone(),
            lines: notice.body.lines.iter().map(|(zh, en)| (clean(zh), clean(en))).collect(),
            more: notice.body.more,
        };
        Message {
            id: notice.id.clone(),
            case: notice.case.clone(),
            level: notice.level,
            domain: notice.domain.clone(),
            org: notice.org.clone(),
            since: local(body.since_us, zone),
            link: full_link(base, &body.link),
            body,
        }
    }

    /// Heading: level word and what is wanted.
    pub fn heading_zh(&self) -> String {
        format!("【{}】{}", word_zh(self.level), self.body.title_zh)
    }

    /// Heading in English.
    pub fn heading_en(&self) -> String {
        format!("[{}] {}", word_en(self.level), self.body.title_en)
    }

    /// The lines below the heading, Chinese then English, without the link.
    pub fn text_lines(&self) -> Vec<String> {
        let body = &self.body;
        if !body.lines.is_empty() {
            let mut lines: Vec<String> = body.lines.iter().map(|(zh, _)| zh.clone()).collect();
            if body.more > 0 {
                lines.push(format!("另有 {} 条 / +{} more", body.more, body.more));
            }
            return lines;
        }
        let mut lines = vec![body.place_zh.clone(), body.what_zh.clone(), format!("自 {} 起", self.since)];
        // A title that already says it is not said twice.
        lines.retain(|line| !line.is_empty() && *line != body.title_zh);
        lines.push(format!("{} · {} · {} · since {}", self.heading_en(), body.place_en, body.what_en, self.since));
        lines
    }

    /// Everything as plain text of at most `max` bytes; the link stays whole at the end.
    pub fn plain(&self, max: usize) -> String {
        let mut text = self.heading_zh();
        for line in self.text_lines() {
            text.push('\n');
            text.push_str(&line);
        }
        with_link(&text, &self.link, max)
    }
}

/// `text` cut so that it and the link on a line of its own fit into `max` bytes.
pub(super) fn with_link(text: &str, link: &str, max: usize) -> String {
    match link.is_empty() {
        true => cut(text, max),
        false => format!("{}\n{link}", cut(text, max.saturating_sub(link.len() + 1))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::notify::sender::Notice;

    /// The notice of every golden vector.
    pub(in crate::notify) fn notice() -> Notice {
        let mut notice = Notice::blank("case-7/raised/pond-robot/wecom", Level::Red);
        notice.case = Some("case-7".to_owned());
        notice.domain = "dam".to_owned();
        notice.org = "tongling/north/mine-1/pond-a".to_owned();
        notice.body = Body {
            title_zh: "请确认".to_owned(),
            title_en: "please acknowledge".to_owned(),
            place_zh: "铜陵 一号矿 甲库 3 号测压管".to_owned(),
            place_en: "Tongling, mine 1, pond A, piezometer 3".to_owned(),
            what_zh: "浸润线埋深低于红色阈值 2.0 m，实测 1.8 m".to_owned(),
            what_en: "phreatic line depth below the red limit of 2.0 m: 1.8 m".to_owned(),
            since_us: 1_795_600_800_000_000,
            link: "/cases/case-7".to_owned(),
            ..Body::default()
        };
        notice
    }

    pub(in crate::notify) fn message() -> Message {
        let zone = TimeZone::get("Asia/Shanghai").expect("known");
        Message::single(&notice(), &zone, Some("https://hq.example/"))
    }

    #[test]
    fn a_message_says_level_place_what_since_and_link_chinese_first() {
        assert_eq!(
            message().plain(4_096),
            "【红色预警】请确认\n铜陵 一号矿 甲库 3 号测压管\n浸润线埋深低于红色阈值 2.0 m，实测 1.8 m\n\
             自 2026-11-25 18:00 +08:00 起\n[RED] please acknowledge · Tongling, mine 1, pond A, piezometer 3 · \
             phreatic line depth below the red limit of 2.0 m: 1.8 m · since 2026-11-25 18:00 +08:00\n\
             https://hq.example/cases/case-7"
        );
    }

    #[test]
    fn the_level_is_said_once_and_a_title_not_again() {
        let mut notice = notice();
        notice.body.title_zh = "【红色】浸润线高".to_owned();
        notice.body.title_en = "[red] phreatic line high".to_owned();
        notice.body.what_zh = "浸润线高".to_owned();
        let text = Message::single(&notice, &TimeZone::UTC, None).plain(4_096);
        assert!(text.starts_with("【红色预警】浸润线高\n铜陵 一号矿 甲库 3 号测压管\n自 "), "{text}");
        assert!(text.contains("[RED] phreatic line high · "), "{text}");
    }

    #[test]
    fn whatever_is_cut_the_limit_holds_and_the_link_stays_whole() {
        for max in 40..400 {
            let text = message().plain(max);
            assert!(text.len() <= max, "{max}");
            assert!(text.ends_with("\nhttps://hq.example/cases/case-7"), "{max}: {text}");
        }
    }

    #[test]
    fn a_name_can_forge_neither_a_line_nor_a_link() {
        assert_eq!(clean("a\nb\r<font>[x](http://evil)`*\u{202e}"), "a b ＜font＞［x］(http://evil)＇＊");
        for link in ["//evil.example/x", "https://evil.example", "javascript:alert(1)", "/a b", "/a)b", "cases/1"] {
            assert_eq!(full_link(Some("https://hq.example"), link), "", "{link}");
        }
        assert_eq!(full_link(None, "/cases/1"), "", "without an address of the console there is no link");
    }
}
