#!/usr/bin/env python3
"""How well falls are found on labelled clips.

    evaluate.py --clips FOLDER --model POSE.onnx --cache FOLDER --program target/release/fall-eval [--fps 15]

Key points are taken once (extract.py) and kept in the cache. The label of a clip comes from
FOLDER/MANIFEST.md. Reported: sensitivity, specificity, precision and F1 per clip with 95 % Wilson
intervals, by data set (those that limits were chosen on apart from the others), falls played slower
and backwards, the delay after the labelled end of the fall (URFD's frame labels), false alarms per
camera-hour, synthetic figures, and a list of near misses to look at.
"""
import argparse
import collections
import csv
import json
import math
import pathlib
import re
import subprocess
import sys

import extract

SETS = {"gmdcsa24": "chosen on", "intel": "chosen on", "pose2sim": "chosen on", "urfd": "unseen", "upfall": "unseen"}
Z = 1.959964


def wilson(hits, count):
    if count == 0:
        return "  –  (no clips)"
    share, spread = hits / count, Z * Z / count
    middle, half = (share + spread / 2) / (1 + spread), Z * math.sqrt(share * (1 - share) / count + spread / 4 / count) / (1 + spread)
    return f"{hits}/{count} = {100 * share:.1f} % (95 % CI {100 * (middle - half):.0f}–{100 * (middle + half):.0f})"


def labels(folder):
    """Clip name to whether it shows a fall, from the manifest's table."""
    found = {}
    for line in (folder / "MANIFEST.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 3 and cells[2] in ("fall", "no fall"):
            found[pathlib.Path(cells[0]).stem] = cells[2] == "fall"
    return found


def urfd_ends(folder):
    """Second in which the fall of a URFD clip ends: its first frame labelled as lying, at 30 a second."""
    ends = {}
    with (folder / "urfall-cam0-falls.csv").open() as table:
        for row in csv.reader(table):
            if len(row) > 2 and re.fullmatch(r"fall-\d+", row[0]) and row[2].strip() == "1":
                ends.setdefault(f"urfd_{row[0]}-cam0", int(row[1]) / 30)
    return ends


def run(program, fps, text, *options):
    """Events by clip, and the seconds watched."""
    command = [str(program), "--fps", str(fps), *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    events, seconds = collections.OrderedDict(), 0.0
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        kept = events.setdefault(entry["clip"]["name"], [])
        if entry["event"] == "fall":
            kept.append(entry)
        else:
            seconds += entry["seconds"]
    return events, seconds


def table(events, truth, ends, out):
    for title, chosen in [("all clips", lambda _: True)] + [(name, lambda clip, name=name: clip.startswith(name)) for name in SETS] + [
        (f"all sets {kind}", lambda clip, kind=kind: SETS[clip.split("_")[0]] == kind) for kind in ("chosen on", "unseen")
    ]:
        falls = [clip for clip in events if truth[clip] and chosen(clip)]
        others = [clip for clip in events if not truth[clip] and chosen(clip)]
        hits, wrong = sum(bool(events[c]) for c in falls), sum(bool(events[c]) for c in others)
        precision, recall = hits / max(1, hits + wrong), hits / max(1, len(falls))
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        out(f"{title:20s} sensitivity {wilson(hits, len(falls)):44s} specificity {wilson(len(others) - wrong, len(others)):44s} precision {precision:.3f} F1 {f1:.3f}")
    delays = sorted(events[clip][0]["at_s"] - end for clip, end in ends.items() if events.get(clip))
    if delays:
        out(f"delay after the labelled end of the fall (URFD, {len(delays)} clips): median {delays[len(delays) // 2]:.2f} s, largest {delays[-1]:.2f} s")
    out(f"events per clip of a fall: {collections.Counter(len(events[c]) for c in events if truth[c])}")
    out(f"kinds: {collections.Counter(e['kind'] for c in events for e in events[c])}")


def false_alarms(events, truth, text, program, fps, out):
    quiet = "".join(part for part in text if not truth[json.loads(part.splitlines()[0])["clip"]])
    _, seconds = run(program, fps, quiet)
    wrong = sum(len(found) for clip, found in events.items() if not truth[clip])
    out(f"false alarms: {wrong} in {seconds / 3600:.3f} camera-hours of clips without a fall = {wrong / max(1e-9, seconds / 3600):.1f} per hour")


def figures(program, fps, count, out):
    for slow in (1, 3):
        events, _ = run(program, fps, "", "--figures", str(count), "--slow", str(slow))
        acts = collections.OrderedDict()
        for name, found in events.items():
            acts.setdefault(name.split("/")[0], []).append(bool(found))
        out(f"figures at {slow}× time: " + ", ".join(f"{act} {sum(found)}/{len(found)}" for act, found in acts.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--long", type=int, default=320)
    parser.add_argument("--figures", type=int, default=100)
    args = parser.parse_args()
    out = print
    truth = labels(args.clips)
    args.cache.mkdir(parents=True, exist_ok=True)
    session, text = None, []
    for clip in sorted(path for path in args.clips.iterdir() if path.stem in truth and path.suffix in (".mp4", ".gif")):
        target = args.cache / f"{clip.stem}.jsonl"
        if not target.exists():
            print(f"key points of {clip.name}", file=sys.stderr, flush=True)
            session = session or extract.session_of(args.model)
            extract.extract(session, clip, target, args.long)
        text.append(target.read_text())
    whole = "".join(text)
    events, _ = run(args.program, args.fps, whole)
    table(events, truth, urfd_ends(args.clips), out)
    false_alarms(events, truth, text, args.program, args.fps, out)
    falls = [clip for clip in events if truth[clip]]
    for name, options in [(f"{slow}× slower", ("--slow", str(slow))) for slow in (2, 3, 4)] + [("backwards", ("--reverse",))]:
        stressed, _ = run(args.program, args.fps, whole, *options)
        out(f"falls played {name:12s} alarm in {wilson(sum(bool(stressed[c]) for c in falls), len(falls))}")
    figures(args.program, args.fps, args.figures, out)
    out("near misses (missed, false, or a score below 0.65):")
    for clip, found in events.items():
        if truth[clip] != bool(found) or (found and found[0]["score"] < 0.65):
            out(f"  {clip}: " + (f"{found[0]['at_s']:.2f} s score {found[0]['score']:.2f} {found[0]['why']}" if found else "no event"))


if __name__ == "__main__":
    main()
