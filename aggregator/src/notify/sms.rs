//! SMS and voice calls, through a small adapter of the buyer's provider. Pure.
//!
//! Providers take only an approved template and its variables, each short; so that is all the
//! adapter is given. The document is signed like a webhook. A voice adapter reads `dtmf`: key 1
//! acknowledges.

use super::config::Template;
use super::message::{Message, word_en, word_zh};
use super::public_key;
use serde_json::{Map, Value, json};

/// Fields a template variable can be filled from.
pub(super) const FIELDS: &[&str] =
    &["level_zh", "level_en", "title_zh", "title_en", "place_zh", "place_en", "what_zh", "what_en", "since", "case"];

fn field(message: &Message, name: &str) -> Option<String> {
    let body = &message.body;
    let text = match name {
        "level_zh" => word_zh(message.level),
        "level_en" => word_en(message.level),
        "title_zh" => &body.title_zh,
        "title_en" => &body.title_en,
        "place_zh" => &body.place_zh,
        "place_en" => &body.place_en,
        "what_zh" => &body.what_zh,
        "what_en" => &body.what_en,
        "since" => &message.since,
        "case" => message.case.as_deref().unwrap_or(""),
        _ => return None,
    };
    Some(text.to_owned())
}

/// Cut to a number of characters, as the providers count.
fn short(text: &str, max: usize) -> String {
    match text.chars().count() > max {
        true => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The document for the adapter. `voice`: a call instead of a text.
pub(super) fn document(message: &Message, template: &Template, to: &[String], voice: bool) -> Value {
    let filled = |(variable, name): (&String, &String)| {
        let text = field(message, name).unwrap_or_default();
        (variable.clone(), Value::from(short(&text, template.variable_chars_max)))
    };
    let variables: Map<String, Value> = template.variables.iter().map(filled).collect();
    let mut document = json!({
        "type": if voice { "minewatch.voice.v1" } else { "minewatch.sms.v1" },
        "id": public_key(&message.id),
        "level": message.level.name(),
        "to": to,
        "sign_name": template.sign_name,
        "template": template.code,
        "variables": variables,
    });
    if let (true, Some(fields)) = (voice, document.as_object_mut()) {
        fields.insert("dtmf".to_owned(), json!({ "1": "acknowledge" }));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::message;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_the_templates_variables_travel_and_each_is_short() {
        let pairs = [("level", "level_zh"), ("place", "place_zh"), ("what", "what_zh"), ("since", "since")];
        let template = Template {
            code: "SMS_123".to_owned(),
            sign_name: "矿安".to_owned(),
            variables: pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
            variable_chars_max: 20,
        };
        let sms = document(&message(), &template, &["+8613800000000".to_owned()], false);
        assert_eq!(sms["variables"]["level"], "红色预警");
        assert_eq!(sms["variables"]["what"], "浸润线埋深低于红色阈值 2.0 m，实…");
        assert!(
            sms["variables"]
                .as_object()
                .expect("map")
                .values()
                .all(|v| v.as_str().expect("text").chars().count() <= 20)
        );
        assert_eq!(sms["type"], "minewatch.sms.v1");
        assert!(!sms.to_string().contains("hq.example"), "no link in a text message");
        let call = document(&message(), &template, &[], true);
        assert_eq!(
            (call["type"].as_str(), call["dtmf"]["1"].as_str()),
            (Some("minewatch.voice.v1"), Some("acknowledge"))
        );
    }

    #[test]
    fn every_field_named_can_be_filled() {
        for name in FIELDS {
            assert!(field(&message(), name).is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert_eq!(field(&message(), "password"), None);
    }
}
