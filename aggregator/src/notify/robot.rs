//! Messages of the WeCom, DingTalk and Feishu group robots, and what their answers mean. Pure.
//!
//! Limits: WeCom text 2,048 and markdown 4,096 bytes; DingTalk and Feishu 20,000 bytes of body
//! (their documents say 20 KB). Everything is cut to fit, the link stays.

use super::answer::Answer;
use super::message::{Message, with_link};
use super::sign;
use minewatch_domain::Level;
use serde_json::{Value, json};

/// WeCom: longest `text.content`, bytes.
pub(super) const WECOM_TEXT_BYTES_MAX: usize = 2_048;
/// WeCom: longest `markdown.content`, bytes.
pub(super) const WECOM_MARKDOWN_BYTES_MAX: usize = 4_096;
/// DingTalk and Feishu: longest request body, bytes, with room for their envelope.
const TEXT_BYTES_MAX: usize = 16_000;

/// A robot is told to slow down this long when it does not say how long.
const SLOW_DOWN_MS: i64 = 60_000;
/// DingTalk blocks a robot for ten minutes after 20 messages in one.
const DINGTALK_BLOCK_MS: i64 = 600_000;

/// WeCom: markdown, or text when everybody is to be called (markdown cannot).
pub(super) fn wecom(message: &Message, everybody: bool) -> Value {
    if everybody {
        let content = message.plain(WECOM_TEXT_BYTES_MAX);
        return json!({ "msgtype": "text", "text": { "content": content, "mentioned_list": ["@all"] } });
    }
    let colour = match message.level {
        Level::Red | Level::Orange => "warning",
        Level::Yellow | Level::Blue => "comment",
        Level::Normal => "info",
    };
    let mut text = format!("**<font color=\"{colour}\">{}</font>**", message.heading_zh());
    for line in message.text_lines() {
        text.push_str("\n> ");
        text.push_str(&line);
    }
    let content = with_link(&text, &markdown_link(message), WECOM_MARKDOWN_BYTES_MAX);
    json!({ "msgtype": "markdown", "markdown": { "content": content } })
}

fn markdown_link(message: &Message) -> String {
    match message.link.is_empty() {
        true => String::new(),
        false => format!("[打开 / open]({})", message.link),
    }
}

/// DingTalk: markdown; the signature travels in the query.
pub(super) fn dingtalk(message: &Message, everybody: bool) -> Value {
    let mut text = format!("### {}\n", message.heading_zh());
    for line in message.text_lines() {
        text.push_str("\n- ");
        text.push_str(&line);
    }
    let text = with_link(&format!("{text}\n"), &markdown_link(message), TEXT_BYTES_MAX);
    json!({ "msgtype": "markdown", "markdown": { "title": message.heading_zh(), "text": text },
        "at": { "isAtAll": everybody } })
}

/// The query DingTalk wants beside its access token.
pub(super) fn dingtalk_query(secret: &str, timestamp_ms: i64) -> Vec<(&'static str, String)> {
    vec![("timestamp", timestamp_ms.to_string()), ("sign", sign::dingtalk(secret, timestamp_ms))]
}

/// Feishu: rich text (`post`), which has no markup to forge; the signature travels in the body.
pub(super) fn feishu(message: &Message, secret: Option<&str>, timestamp_s: i64, everybody: bool) -> Value {
    let mut room = TEXT_BYTES_MAX;
    let mut content: Vec<Value> = Vec::new();
    for line in message.text_lines() {
        let line = super::message::cut(&line, room);
        room = room.saturating_sub(line.len());
        content.push(json!([{ "tag": "text", "text": line }]));
    }
    if !message.link.is_empty() {
        content.push(json!([{ "tag": "a", "text": "打开 / open", "href": message.link }]));
    }
    if everybody {
        content.push(json!([{ "tag": "at", "user_id": "all" }]));
    }
    let post = json!({ "zh_cn": { "title": message.heading_zh(), "content": content } });
    let mut body = json!({ "msg_type": "post", "content": { "post": post } });
    if let (Some(secret), Some(fields)) = (secret, body.as_object_mut()) {
        fields.insert("timestamp".to_owned(), timestamp_s.to_string().into());
        fields.insert("sign".to_owned(), sign::feishu(secret, timestamp_s).into());
    }
    body
}

/// Which robot answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// 企业微信.
    WeCom,
    /// 钉钉.
    DingTalk,
    /// 飞书.
    Feishu,
}

/// A robot's 200 is only a delivery when its own code says so.
pub(super) fn answer(maker: Maker, body: &[u8]) -> Answer {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Answer::Retry { after_ms: None, why: "the robot answered with something that is not JSON".to_owned() };
    };
    let code = ["errcode", "code", "StatusCode"].into_iter().find_map(|key| value.get(key).and_then(Value::as_i64));
    let said = ["errmsg", "msg", "StatusMessage"].into_iter().find_map(|key| value.get(key).and_then(Value::as_str));
    let why = |code: i64| {
        format!("{maker:?} code {code}: {}", super::message::cut(&super::message::clean(said.unwrap_or("")), 160))
    };
    match (maker, code) {
        (_, Some(0)) => Answer::Accepted { receipt: format!("{maker:?} ok") },
        (_, None) => Answer::Retry { after_ms: None, why: "the robot's answer holds no code".to_owned() },
        // -1: busy. 45009 and 9499, 11232: too many. 130101, 660026: too many, blocked for ten minutes.
        (Maker::WeCom | Maker::DingTalk, Some(-1)) => Answer::Retry { after_ms: None, why: why(-1) },
        (Maker::WeCom, Some(code @ 45_009)) => Answer::Retry { after_ms: Some(SLOW_DOWN_MS), why: why(code) },
        (Maker::DingTalk, Some(code @ (130_101 | 660_026))) => {
            Answer::Retry { after_ms: Some(DINGTALK_BLOCK_MS), why: why(code) }
        }
        (Maker::Feishu, Some(code @ (9_499 | 11_232))) => {
            Answer::Retry { after_ms: Some(SLOW_DOWN_MS), why: why(code) }
        }
        (Maker::WeCom | Maker::DingTalk | Maker::Feishu, Some(code)) => Answer::Rejected { why: why(code) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::message;
    use super::*;

    fn golden(name: &str, value: &Value) {
        let path = format!("{}/golden/notify/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = format!("{}\n", serde_json::to_string_pretty(value).expect("JSON"));
        if std::env::var_os("MINEWATCH_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("written");
        }
        assert_eq!(std::fs::read_to_string(&path).expect(&path), text, "{name}");
    }

    #[test]
    fn each_robot_gets_its_own_format_to_the_byte() {
        golden("wecom", &wecom(&message(), false));
        golden("wecom-all", &wecom(&message(), true));
        golden("dingtalk", &dingtalk(&message(), true));
        golden("feishu", &feishu(&message(), Some("SEC0123456789abcdef"), 1_795_600_800, true));
        golden("feishu-open", &feishu(&message(), None, 1_795_600_800, false));
    }

    #[test]
    fn no_message_is_larger_than_its_robot_takes() {
        let mut long = message();
        long.body.lines = (0..2_000).map(|n| (format!("第 {n} 条：浸润线超过红色阈值"), String::new())).collect();
        long.body.more = 37;
        let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map_or(0, str::len);
        assert!((3_900..=WECOM_MARKDOWN_BYTES_MAX).contains(&text(&wecom(&long, false), "/markdown/content")));
        assert!((1_900..=WECOM_TEXT_BYTES_MAX).contains(&text(&wecom(&long, true), "/text/content")));
        assert!(dingtalk(&long, false).to_string().len() <= 20_000);
        // Feishu: every line is an object of its own, so the envelope grows with the lines; the planner
        // never puts more than LINES_MAX into a digest.
        long.body.lines.truncate(super::super::digest::LINES_MAX);
        assert!(feishu(&long, Some("x"), 0, true).to_string().len() <= 20_000);
    }

    #[test]
    fn only_the_robots_own_zero_is_a_delivery() {
        let of = |maker, body: &str| answer(maker, body.as_bytes());
        assert!(matches!(of(Maker::WeCom, r#"{"errcode":0,"errmsg":"ok"}"#), Answer::Accepted { .. }));
        assert!(matches!(of(Maker::Feishu, r#"{"StatusCode":0,"code":0,"msg":"success"}"#), Answer::Accepted { .. }));
        assert!(matches!(
            of(Maker::WeCom, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#),
            Answer::Rejected { .. }
        ));
        assert!(matches!(
            of(Maker::DingTalk, r#"{"errcode":310000,"errmsg":"sign not match"}"#),
            Answer::Rejected { .. }
        ));
        let blocked = of(Maker::DingTalk, r#"{"errcode":130101,"errmsg":"send too fast"}"#);
        assert!(matches!(blocked, Answer::Retry { after_ms: Some(600_000), .. }));
        for odd in ["", "<html>", "{}", r#"{"errcode":"0"}"#] {
            assert!(matches!(of(Maker::WeCom, odd), Answer::Retry { .. }), "{odd}");
        }
    }
}
