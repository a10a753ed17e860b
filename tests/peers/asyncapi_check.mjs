// Parses the AsyncAPI document with the public parser; every message must have a schema.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[3]}/`);
const { Parser } = require("@asyncapi/parser");
const text = readFileSync(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const errors = diagnostics.filter((d) => d.severity === 0);
for (const d of errors) console.log(`${d.path.join(".")}: ${d.message}`);
if (!document || errors.length > 0) process.exit(1);
const messages = document.messages().all();
const channels = document.channels().all();
if (messages.length < 8 || channels.length < 8) throw new Error("the document says too little");
for (const message of messages) {
  if (!message.payload()) throw new Error(`${message.name()} has no payload`);
}
for (const operation of document.operations().all()) {
  if (operation.bindings().get("mqtt")?.value().qos !== 1) throw new Error(`${operation.id()} does not say its QoS`);
}
const warnings = diagnostics.filter((d) => d.severity === 1).map((d) => d.message);
console.log(JSON.stringify({ version: document.version(), channels: channels.length, messages: messages.length, warnings }));
