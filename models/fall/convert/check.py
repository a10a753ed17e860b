#!/usr/bin/env python3
"""Checks a converted pose model by what it computes, not by the bytes of its file.

    check.py MODEL.onnx [golden.json]     compare with the golden outputs; exit status 1 if they differ
    check.py --picture HEIGHT WIDTH       write the golden picture as raw RGB to standard output

The golden picture is drawn here (a figure on noise), so no photograph is in the repository. The golden
outputs were computed by the reference runtime, TensorFlow.js on its CPU backend (golden.mjs), from the
same weights. Needs numpy and onnxruntime.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

# Other processors add up in another order; 8.8e-6 was reached with AVX2, a wrong op differs by 1e-2 and more.
TOLERANCE = 5e-5
LIMBS = [  # from, to (shares of the figure's height from its feet), half width, colour
    ((0.00, 0.86), (0.00, 0.52), 0.075, (230, 120, 30)),
    ((-0.04, 0.52), (-0.09, 0.02), 0.045, (40, 60, 110)),
    ((0.04, 0.52), (0.10, 0.02), 0.045, (40, 60, 110)),
    ((-0.09, 0.82), (-0.17, 0.48), 0.030, (220, 170, 140)),
    ((0.09, 0.82), (0.19, 0.50), 0.030, (220, 170, 140)),
    ((0.00, 0.93), (0.00, 0.97), 0.055, (225, 180, 150)),
    ((0.00, 0.985), (0.00, 1.00), 0.060, (250, 210, 40)),
]


def picture(height, width):
    """A figure of four fifths of the height, in integers from a fixed generator."""
    state, noise = 12345, np.empty(height * width, np.int64)
    for index in range(height * width):
        state = (state * 1103515245 + 12345) % 2**31
        noise[index] = state >> 16
    canvas = np.repeat((90 + noise.reshape(height, width, 1) % 40), 3, axis=2)
    canvas[int(height * 0.7):] -= 30
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    size, foot, middle = height * 0.8, height * 0.92, width / 2
    for (x0, y0), (x1, y1), half, colour in LIMBS:
        ax, ay, bx, by = middle + x0 * size, foot - y0 * size, middle + x1 * size, foot - y1 * size
        length = (bx - ax) ** 2 + (by - ay) ** 2
        share = np.clip(((columns - ax) * (bx - ax) + (rows - ay) * (by - ay)) / length, 0, 1)
        away = np.hypot(columns - ax - share * (bx - ax), rows - ay - share * (by - ay))
        for channel in range(3):
            canvas[..., channel][away < half * size] = colour[channel]
    return canvas.clip(0, 255).astype(np.uint8)


def compare(model, golden):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model))
    worst = 0.0
    for case in golden["cases"]:
        wanted = np.array(case["output"], np.float64)
        if wanted[:, 55].max() < 0.3:
            raise SystemExit("the golden output shows no person: it would prove nothing")
        got = session.run(None, {"image": picture(case["height"], case["width"])[None]})[0][0]
        # The order of rows with the same score is free: people are compared, best first, noise rows are not.
        people = wanted[:, 55] >= 0.1
        difference = float(np.abs(got[people] - wanted[people]).max())
        print(f"{case['height']}x{case['width']}: {int(people.sum())} person(s), largest difference {difference:.1e}", file=sys.stderr)
        worst = max(worst, difference)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, nargs="?")
    parser.add_argument("golden", type=pathlib.Path, nargs="?", default=pathlib.Path(__file__).with_name("golden.json"))
    parser.add_argument("--picture", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    args = parser.parse_args()
    if args.picture:
        sys.stdout.buffer.write(picture(*args.picture).tobytes())
        return
    if args.model is None:
        parser.error("a model is needed")
    worst = compare(args.model, json.loads(args.golden.read_text()))
    if not worst <= TOLERANCE:
        raise SystemExit(f"{args.model}: differs from the reference by {worst:.1e}, more than {TOLERANCE}")


if __name__ == "__main__":
    main()
