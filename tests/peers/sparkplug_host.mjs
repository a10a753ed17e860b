// A Sparkplug host that shares no code with ours: the Tahu payload library and mqtt.js. Says that it is
// online (STATE), asks for one rebirth after the first data, prints every message as one JSON line.
//
//   sparkplug_host.mjs NODE_MODULES_FOLDER PORT GROUP GATEWAY
import { createRequire } from "node:module";

const [, , modules, port, group, gateway] = process.argv;
const require = createRequire(`${modules}/`);
const mqtt = require("mqtt");
const payloads = require("sparkplug-payload").get("spBv1.0");
const state = "spBv1.0/STATE/scada";
const will = { topic: state, payload: JSON.stringify({ online: false, timestamp: Date.now() }), qos: 1, retain: true };
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: "scada", clean: true, will });
let asked = false;

client.on("connect", () => {
  client.subscribe(["spBv1.0/#"], { qos: 1 }, () => {
    client.publish(state, JSON.stringify({ online: true, timestamp: Date.now() }), { qos: 1, retain: true });
    console.log(JSON.stringify({ ready: true }));
  });
});

const plain = (value) => (value === null || typeof value !== "object" ? value : Number(value));

client.on("message", (topic, raw) => {
  if (topic.startsWith("spBv1.0/STATE/") || topic.includes("/NCMD/")) return;
  const payload = payloads.decodePayload(raw);
  const metrics = (payload.metrics ?? []).map((m) => ({
    name: m.name, type: m.type, value: plain(m.value), isNull: m.isNull === true, at: plain(m.timestamp),
    quality: plain(m.properties?.Quality?.value), unit: m.properties?.engUnit?.value,
  }));
  const seq = payload.seq === undefined || payload.seq === null ? null : Number(payload.seq);
  console.log(JSON.stringify({ topic, kind: topic.split("/")[2], seq, metrics, hex: raw.toString("hex") }));
  if (topic.includes("/DDATA/") && !asked) {
    asked = true;
    const command = { timestamp: Date.now(), metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: true }] };
    client.publish(`spBv1.0/${group}/NCMD/${gateway}`, payloads.encodePayload(command), { qos: 0 });
    console.log(JSON.stringify({ asked: true }));
  }
});
