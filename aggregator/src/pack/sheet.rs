//! A pack as people read it: names and rows in their language; as a page, and for the PDF.
//!
//! Invariant: what people wrote is text and never markup.

use serde_json::Value;

/// Rows under a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Title.
    pub title: String,
    /// Each row: names and values.
    pub rows: Vec<Vec<(String, String)>>,
}

/// A pack in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Case and title.
    pub title: String,
    /// What holds for the whole.
    pub facts: Vec<(String, String)>,
    /// The rest.
    pub sections: Vec<Section>,
    /// At the foot of every page.
    pub foot: String,
    /// Said where the rest was left out.
    pub cut: String,
}

/// Names of fields and of the values people read, Chinese and English.
const WORDS: &[(&str, &str, &str)] = &[
    ("id", "编号", "Id"),
    ("state", "状态", "State"),
    ("open", "未关闭", "Open"),
    ("revision", "版本", "Revision"),
    ("level", "级别", "Level"),
    ("domain", "业务域", "Domain"),
    ("org", "组织", "Organisation"),
    ("gateway", "网关", "Gateway"),
    ("title", "标题", "Title"),
    ("place", "地点", "Place"),
    ("raised_at", "发生时间", "Raised"),
    ("changed_at", "变更时间", "Changed"),
    ("closed_at", "关闭时间", "Closed"),
    ("due_at", "期限", "Due"),
    ("overdue", "超期", "Overdue"),
    ("round", "轮次", "Round"),
    ("escalated", "升级次数", "Escalated"),
    ("reopened", "重开次数", "Reopened"),
    ("acked_by", "确认人", "Acknowledged by"),
    ("handler", "处置人", "Handler"),
    ("submitted_by", "提交人", "Submitted by"),
    ("verified_by", "核验人", "Verified by"),
    ("cause", "原因", "Cause"),
    ("measure", "整改措施", "Measure"),
    ("reason", "理由", "Reason"),
    ("until", "至", "Until"),
    ("first_alarm", "首个报警", "First alarm"),
    ("event", "事项", "Event"),
    ("from", "原状态", "From"),
    ("to", "新状态", "To"),
    ("actor", "人员", "Person"),
    ("at", "时间", "At"),
    ("detail", "详情", "Detail"),
    ("step", "步", "Step"),
    ("target", "呼叫对象", "Called"),
    ("channel", "通道", "Channel"),
    ("called_at", "呼叫时间", "Called at"),
    ("answered_by", "应答人", "Answered by"),
    ("answered_at", "应答时间", "Answered at"),
    ("sha256", "SHA-256", "SHA-256"),
    ("kind", "类别", "Kind"),
    ("name", "名称", "Name"),
    ("media_type", "媒体类型", "Media type"),
    ("bytes", "字节数", "Bytes"),
    ("note", "备注", "Note"),
    ("value", "数值", "Value"),
    ("limit", "限值", "Limit"),
    ("rule", "规则", "Rule"),
    ("why", "依据", "Why"),
    ("proof", "证明", "Proof"),
    ("alarm", "报警", "Alarm"),
    ("what", "动作", "Action"),
    ("origin", "来源", "Origin"),
    ("made_at", "导出时间", "Made at"),
    ("made_by", "导出人", "Made by"),
    ("key", "签名公钥", "Signing key"),
    ("signature", "签名", "Signature"),
];
const VALUES: &[(&str, &str)] = &[
    ("normal", "正常"),
    ("blue", "蓝"),
    ("yellow", "黄"),
    ("orange", "橙"),
    ("red", "红"),
    ("raised", "已发生"),
    ("pushed", "已推送"),
    ("acknowledged", "已确认"),
    ("assigned", "已派单"),
    ("rectifying", "整改中"),
    ("submitted", "已提交"),
    ("verified", "已核验"),
    ("closed", "已关闭"),
    ("false_positive", "误报"),
    ("suppressed", "已抑制"),
    ("reopened", "已重开"),
    ("escalated", "已升级"),
    ("photo", "照片"),
    ("clip", "视频"),
    ("readings", "读数"),
    ("document", "文件"),
];

fn word(key: &str, chinese: bool) -> String {
    let known = WORDS.iter().find(|(name, ..)| *name == key);
    known.map_or(key, |(_, zh, en)| if chinese { zh } else { en }).to_owned()
}

fn shown(key: &str, value: &Value, chinese: bool) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => match (yes, chinese) {
            (true, true) => "是".to_owned(),
            (false, true) => "否".to_owned(),
            (yes, false) => yes.to_string(),
        },
        // Only what is a name of ours is translated; what people wrote stays as it is.
        Value::String(text) if chinese && ["level", "state", "from", "to", "kind"].contains(&key) => {
            VALUES.iter().find(|(name, _)| name == text).map_or(text.as_str(), |(_, zh)| zh).to_owned()
        }
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.contains_key("zh") && fields.contains_key("en") => {
            shown("", &value[if chinese { "zh" } else { "en" }], chinese)
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn row(value: &Value, chinese: bool) -> Vec<(String, String)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(key, value)| (word(key, chinese), shown(key, value, chinese))).collect()
}

fn section(title: String, rows: &Value, chinese: bool) -> Option<Section> {
    let rows = rows.as_array().filter(|rows| !rows.is_empty())?;
    Some(Section { title, rows: rows.iter().map(|value| row(value, chinese)).collect() })
}

impl Sheet {
    /// The sheet of a pack's content; `signed`: facts about the signed JSON beside it.
    pub fn of(content: &Value, signed: &[(&str, &str)], chinese: bool) -> Sheet {
        let say = |zh: &str, en: &str| if chinese { zh.to_owned() } else { en.to_owned() };
        let case = &content["case"];
        let id = shown("", &case["id"], chinese);
        let mut facts = row(case, chinese);
        for key in ["made_at", "made_by"] {
            facts.push((word(key, chinese), shown(key, &content[key], chinese)));
        }
        facts.extend(signed.iter().map(|(key, value)| (word(key, chinese), (*value).to_owned())));
        let mut sections = vec![
            section(say("步骤", "Steps"), &content["steps"], chinese),
            section(say("叫应记录", "Calls and answers"), &content["calls"], chinese),
            section(say("证据及其哈希", "Evidence and its hashes"), &content["evidence"], chinese),
        ];
        for alarm in content["alarms"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let name = format!("{}/{}", shown("", &alarm["gateway"], chinese), shown("", &alarm["alarm"], chinese));
            sections.push(section(format!("{} {name}", say("报警", "Alarm")), &alarm["transitions"], chinese));
            sections.push(section(format!("{} {name}", say("处置", "Actions")), &alarm["actions"], chinese));
        }
        Sheet {
            title: format!("{id} {}", shown("", &case["title"], chinese)),
            facts,
            sections: sections.into_iter().flatten().collect(),
            foot: format!("Minewatch  {id}"),
            cut: say("以下省略；完整内容见 JSON 证据包。", "The rest is left out; the JSON pack has all of it."),
        }
    }

    /// As a page to print.
    pub fn html(&self, chinese: bool) -> String {
        let pairs = |rows: &[(String, String)]| -> String {
            let line = |(name, value): &(String, String)| {
                format!("<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value))
            };
            rows.iter().map(line).collect()
        };
        let sections: String = self.sections.iter().map(table).collect();
        let (lang, title) = (if chinese { "zh" } else { "en" }, escaped(&self.title));
        format!(
            "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body>\
             <h1>{title}</h1><table>{}</table>{sections}</body></html>",
            pairs(&self.facts)
        )
    }
}

fn table(section: &Section) -> String {
    let head = section.rows.first().map(Vec::as_slice).unwrap_or_default();
    let head: String = head.iter().map(|(name, _)| format!("<th>{}</th>", escaped(name))).collect();
    let line = |row: &Vec<(String, String)>| {
        let cells: String = row.iter().map(|(_, value)| format!("<td>{}</td>", escaped(value))).collect();
        format!("<tr>{cells}</tr>")
    };
    let body: String = section.rows.iter().map(line).collect();
    format!("<h2>{}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", escaped(&section.title))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content() -> Value {
        json!({ "made_at": "t", "case": { "id": "c-1", "level": "red", "title": { "zh": "<script>", "en": "red" } },
            "steps": [{ "actor": "<img onerror=x>", "from": "raised", "to": "pushed" }], "alarms": [], "calls": [],
            "evidence": [{ "sha256": "ab", "name": "red" }] })
    }

    #[test]
    fn what_people_wrote_cannot_become_a_script_on_the_page() {
        let page = Sheet::of(&content(), &[], true).html(true);
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;img onerror=x&gt;"));
    }

    #[test]
    fn names_are_in_the_readers_language_and_what_people_wrote_stays() {
        let (zh, en) = (Sheet::of(&content(), &[], true), Sheet::of(&content(), &[("sha256", "ff")], false));
        assert!(zh.facts.contains(&("级别".to_owned(), "红".to_owned())), "{:?}", zh.facts);
        assert!(en.facts.contains(&("Level".to_owned(), "red".to_owned())));
        assert!(en.facts.contains(&("SHA-256".to_owned(), "ff".to_owned())));
        let evidence = &zh.sections.last().expect("evidence").rows[0];
        assert!(evidence.contains(&("名称".to_owned(), "red".to_owned())), "a file may be called red: {evidence:?}");
    }
}
