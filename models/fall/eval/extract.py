#!/usr/bin/env python3
"""Key points of clips, once: runs the pose model over every frame and keeps its raw output.

    extract.py --model POSE.onnx --long 320 --cache FOLDER CLIP...

One JSONL per clip: a header line (clip, width, height, input width and height), then a line per
frame: `at_ms` and `rows`, the output rows with a person score of at least 0.01. The decision reads
these with `fall-eval`, so that a change of the decision needs no second run of the pose model.
The picture is scaled to the long side, and padded to a multiple of 32 at the right and bottom.
"""
import argparse
import json
import pathlib
import sys

import av
import cv2
import numpy as np
import onnxruntime

ROW_SCORE_MIN = 0.01


def letterbox(width, height, long_side):
    """Size of the scaled picture and of the padded input."""
    scale = long_side / max(width, height)
    scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
    return scaled, tuple((side + 31) // 32 * 32 for side in scaled)


def rows_of(session, picture, scaled, padded):
    canvas = np.zeros((padded[1], padded[0], 3), np.uint8)
    canvas[: scaled[1], : scaled[0]] = cv2.resize(picture, scaled, interpolation=cv2.INTER_AREA)
    output = session.run(None, {"image": canvas[None]})[0][0]
    return [[round(float(v), 5) for v in row] for row in output if row[55] >= ROW_SCORE_MIN]


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options)


def extract(session, clip, target, long_side):
    with av.open(str(clip)) as container, target.with_suffix(".part").open("w") as out:
        stream = container.streams.video[0]
        scaled, padded = letterbox(stream.width, stream.height, long_side)
        head = {"clip": clip.stem, "width": stream.width, "height": stream.height, "scaled": scaled, "input": padded}
        out.write(json.dumps(head) + "\n")
        for frame in container.decode(stream):
            rows = rows_of(session, frame.to_ndarray(format="rgb24"), scaled, padded)
            out.write(json.dumps({"at_ms": round(frame.time * 1000), "rows": rows}) + "\n")
    target.with_suffix(".part").replace(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--long", type=int, default=320)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("clips", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    session = session_of(args.model)
    for number, clip in enumerate(args.clips, 1):
        target = args.cache / f"{clip.stem}.jsonl"
        if not target.exists():
            print(f"[{number}/{len(args.clips)}] {clip.name}", file=sys.stderr, flush=True)
            extract(session, clip, target, args.long)


if __name__ == "__main__":
    main()
