"""Decodes what sparkplug_host.mjs printed with a second library (pysparkplug) and compares.

    sparkplug_decode.py HOST_LOG
"""
import json
import sys

import pysparkplug as spb

kinds = {"NBIRTH": spb.NBirth, "NDEATH": spb.NDeath, "NDATA": spb.NData, "DBIRTH": spb.DBirth, "DDATA": spb.DData}
compared = 0
for line in open(sys.argv[1], encoding="utf-8"):
    try:
        message = json.loads(line)
    except ValueError:
        continue
    if message.get("kind") not in kinds:
        continue
    decoded = kinds[message["kind"]].decode(bytes.fromhex(message["hex"]))
    if message["kind"] == "NDEATH":
        assert decoded.bd_seq_metric.value == message["metrics"][0]["value"], message
        compared += 1
        continue
    assert decoded.seq == message["seq"], message
    metrics = list(decoded.metrics)
    assert [m.name for m in metrics] == [m["name"] for m in message["metrics"]], message
    for ours, theirs in zip(metrics, message["metrics"]):
        if not theirs["isNull"]:
            assert ours.value == theirs["value"], (ours, theirs)
        compared += 1
assert compared > 0, "nothing was compared"
print(f"two libraries agree on {compared} metrics")
