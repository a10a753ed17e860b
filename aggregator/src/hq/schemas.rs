//! The published contract, made from the types in [`payload`](super::payload): JSON Schemas and the
//! AsyncAPI 3 document. Kept in `docs/`, where a test says when they are stale. Pure.

use super::payload::{
    AlarmV1, AuditHeadV1, CaseStateV1, Envelope, GatewayStatusV1, KpiV1, PointMetaV1, PointValueV1, PointValuesV1,
    SystemStatusV1,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// A kind of message.
struct Kind {
    name: &'static str,
    title: &'static str,
    schema: fn(&SchemaSettings) -> Value,
}

fn schema<T: JsonSchema>(settings: &SchemaSettings) -> Value {
    SchemaGenerator::new(settings.clone()).into_root_schema_for::<T>().to_value()
}

const KINDS: &[Kind] = &[
    Kind { name: "point.value", title: "Newest value of a point", schema: schema::<PointValueV1<'static>> },
    Kind { name: "point.values", title: "New values of a gateway together", schema: schema::<PointValuesV1<'static>> },
    Kind { name: "point.meta", title: "Descriptor of a point", schema: schema::<PointMetaV1<'static>> },
    Kind { name: "alarm.state", title: "Current state of an alarm", schema: schema::<AlarmV1<'static>> },
    Kind { name: "alarm.event", title: "A transition of an alarm", schema: schema::<AlarmV1<'static>> },
    Kind { name: "case.state", title: "Current state of a case", schema: schema::<CaseStateV1<'static>> },
    Kind { name: "gateway.status", title: "Presence of a gateway", schema: schema::<GatewayStatusV1<'static>> },
    Kind { name: "kpi.10min", title: "Key figures of ten minutes", schema: schema::<KpiV1<'static>> },
    Kind { name: "audit.head", title: "Signed head of the audit trail", schema: schema::<AuditHeadV1<'static>> },
    Kind { name: "system.status", title: "Presence of headquarters", schema: schema::<SystemStatusV1<'static>> },
];

/// A channel of the topic tree.
struct Channel {
    key: &'static str,
    address: &'static str,
    kind: &'static str,
    retain: bool,
    about: &'static str,
}

const CHANNELS: &[Channel] = &[
    Channel {
        key: "pointValue",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/point/{source}/value",
        kind: "point.value",
        retain: true,
        about: "Conflated: the newest value wins. Expires after three periods (MQTT 5, external broker).",
    },
    Channel {
        key: "pointValues",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/gateway/{source}/values",
        kind: "point.values",
        retain: false,
        about: "What one commit brought, before the single values: for those who want all of a site soon. Not \
            repeated; what was missed is in the single values and in the history of the API.",
    },
    Channel {
        key: "alarmState",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/alarm/{source}/state",
        kind: "alarm.state",
        retain: true,
        about: "A cleared alarm keeps its final state for 30 days; then an empty retained message removes it.",
    },
    Channel {
        key: "alarmEvent",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/alarm/{source}/event",
        kind: "alarm.event",
        retain: false,
        about: "Every transition, at least once; a repeat has the same id.",
    },
    Channel {
        key: "caseState",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/case/{source}/state",
        kind: "case.state",
        retain: true,
        about: "A closed case keeps its final state for 30 days; then an empty retained message removes it.",
    },
    Channel {
        key: "gatewayStatus",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/gateway/{source}/status",
        kind: "gateway.status",
        retain: true,
        about: "Presence as headquarters sees it.",
    },
    Channel {
        key: "kpi",
        address: "minewatch/v1/hq/{group}/{company}/{mine}/{facility}/kpi/10min",
        kind: "kpi.10min",
        retain: false,
        about: "Every ten minutes, for every facility, also when nothing happened.",
    },
    Channel {
        key: "pointMeta",
        address: "minewatch/v1/hq/_meta/{gateway}/{point}",
        kind: "point.meta",
        retain: true,
        about: "Names, unit, range and thresholds.",
    },
    Channel {
        key: "auditHead",
        address: "minewatch/v1/hq/_audit/head",
        kind: "audit.head",
        retain: true,
        about: "Keep it elsewhere too: `aggregator verify-audit` compares the trail with it.",
    },
    Channel {
        key: "systemStatus",
        address: "minewatch/v1/hq/_system/status",
        kind: "system.status",
        retain: true,
        about: "Also the will of the aggregator's connection.",
    },
];

fn about_parameter(name: &str) -> &'static str {
    match name {
        "group" => "Group, ASCII slug",
        "company" => "Company within the group",
        "mine" => "Mine within the company",
        "facility" => "Facility within the mine, for example a tailings pond",
        "gateway" => "Gateway id",
        "point" => "Point id, unique within its gateway",
        _ => "{gateway}.{point}, {gateway}.{alarm}, the case id, or the gateway id",
    }
}

/// Names of all schemas, without their version.
pub fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// JSON Schema (2020-12) of the `data` of a kind, or of the envelope (`cloudevent`).
pub fn json_schema(name: &str) -> Option<String> {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let (mut value, title) = match name {
        "cloudevent" => (schema::<Envelope<'static, Value>>(&settings), "CloudEvents 1.0 envelope"),
        name => {
            let kind = KINDS.iter().find(|kind| kind.name == name)?;
            ((kind.schema)(&settings), kind.title)
        }
    };
    let fields = value.as_object_mut()?;
    fields.insert("$id".to_owned(), urn(name).into());
    fields.insert("title".to_owned(), title.into());
    Some(format!("{}\n", serde_json::to_string_pretty(&value).ok()?))
}

/// The URI of a schema, as in `dataschema`.
fn urn(name: &str) -> String {
    format!("urn:minewatch:schema:{name}:v1")
}

fn camel(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|c| c.to_ascii_uppercase()).into_iter();
        name + &head.chain(letters).collect::<String>()
    })
}

fn message(kind: &Kind) -> Value {
    let settings = SchemaSettings::draft07().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let mut envelope = schema::<Envelope<'static, Value>>(&settings);
    if let Some(properties) = envelope.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties
            .insert("type".to_owned(), json!({ "type": "string", "const": format!("minewatch.{}.v1", kind.name) }));
        properties.insert("data".to_owned(), (kind.schema)(&settings));
    }
    json!({
        "name": format!("minewatch.{}.v1", kind.name),
        "title": kind.title,
        "contentType": "application/cloudevents+json",
        "payload": envelope,
    })
}

fn channel(channel: &Channel) -> Value {
    let names = channel.address.split('{').skip(1).filter_map(|part| part.split('}').next());
    let parameters: Map<String, Value> =
        names.map(|name| (name.to_owned(), json!({ "description": about_parameter(name) }))).collect();
    let message = camel(channel.kind);
    let reference = format!("#/components/messages/{message}");
    json!({
        "address": channel.address,
        "description": channel.about,
        "parameters": parameters,
        "messages": Map::from_iter([(message, json!({ "$ref": reference }))]),
    })
}

fn operation(channel: &Channel) -> Value {
    let reference = format!("#/channels/{}", channel.key);
    let message = format!("{reference}/messages/{}", camel(channel.kind));
    json!({
        "action": "send",
        "channel": { "$ref": reference },
        "summary": channel.about,
        "messages": [{ "$ref": message }],
        "bindings": { "mqtt": { "qos": 1, "retain": channel.retain, "bindingVersion": "0.2.0" } },
    })
}

/// The AsyncAPI 3 document of the headquarters topics.
pub fn asyncapi() -> String {
    let messages: Map<String, Value> = KINDS.iter().map(|kind| (camel(kind.name), message(kind))).collect();
    let channels: Map<String, Value> = CHANNELS.iter().map(|c| (c.key.to_owned(), channel(c))).collect();
    let operations: Map<String, Value> =
        CHANNELS.iter().map(|c| (format!("send{}{}", c.key[..1].to_uppercase(), &c.key[1..]), operation(c))).collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "id": "urn:minewatch:hq:v1",
        "info": {
            "title": "Minewatch headquarters topics",
            "version": "1.0.0",
            "description": "What headquarters publishes for subscribers who wrote none of our code. CloudEvents 1.0, \
                structured JSON, QoS 1. Version 1 only grows by optional fields; unknown fields are to be ignored.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "headquarters": {
                "host": "localhost:1883",
                "protocol": "mqtt",
                "protocolVersion": "5.0",
                "description": "The broker of the aggregator's settings; the embedded one listens on loopback, \
                    MQTT 5 on 18830 and MQTT 3.1.1 on 18840.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    });
    format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_files_are_not_stale() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        let mut files: Vec<(String, String)> = vec![(format!("{docs}/asyncapi.json"), asyncapi())];
        for name in names().chain(["cloudevent"]) {
            files.push((format!("{docs}/schemas/{name}.v1.json"), json_schema(name).expect("known")));
        }
        for (path, text) in &files {
            if std::env::var_os("MINEWATCH_GOLDEN").is_some() {
                std::fs::write(path, text).expect("written");
            }
            let kept = std::fs::read_to_string(path).unwrap_or_default();
            assert!(kept == *text, "{path} is stale: run `make asyncapi`");
        }
        let kept = std::fs::read_dir(format!("{docs}/schemas")).expect("folder");
        let json = kept.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "json"));
        assert_eq!(json.count(), files.len() - 1, "a schema that nobody makes lies in docs/schemas");
    }

    #[test]
    fn every_channel_has_a_message_and_every_message_a_channel() {
        for channel in CHANNELS {
            assert!(names().any(|name| name == channel.kind), "{}", channel.key);
        }
        for name in names() {
            assert!(CHANNELS.iter().any(|channel| channel.kind == name), "{name}");
        }
        assert_eq!(json_schema("nothing"), None);
    }
}
