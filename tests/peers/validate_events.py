"""Checks every message of a capture (`topic payload` per line, as mosquitto_sub -v prints) against the
published JSON Schemas: the envelope, then its data by `dataschema`. Prints the number per kind.

    validate_events.py CAPTURE SCHEMA_FOLDER
"""
import collections
import json
import pathlib
import sys

from jsonschema import Draft202012Validator

folder = pathlib.Path(sys.argv[2])
schemas = {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in folder.glob("*.json")}
for schema in schemas.values():
    Draft202012Validator.check_schema(schema)
by_id = {schema["$id"]: Draft202012Validator(schema) for schema in schemas.values()}
envelope = Draft202012Validator(schemas["cloudevent.v1"])
seen, problems = collections.Counter(), []
for line in open(sys.argv[1], encoding="utf-8"):
    topic, _, payload = line.rstrip("\n").partition(" ")
    if not topic.startswith("minewatch/v1/hq/") or not payload:
        continue
    event = json.loads(payload)
    errors = list(envelope.iter_errors(event))
    name = event["type"].removeprefix("minewatch.").removesuffix(".v1")
    uri = event.get("dataschema", f"urn:minewatch:schema:{name}:v1")
    data = by_id.get(uri)
    if data is None:
        problems.append(f"{topic}: no schema {uri}")
        continue
    errors += data.iter_errors(event["data"])
    strange = set(event["data"]) - set(schemas[f"{name}.v1"]["properties"])
    problems += [f"{topic}: {error.message}" for error in errors]
    problems += [f"{topic}: {field} is not in the schema" for field in strange]
    seen[name] += not errors and not strange
print(json.dumps({"seen": seen, "problems": problems[:20]}))
sys.exit(1 if problems else 0)
