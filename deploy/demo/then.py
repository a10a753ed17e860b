"""Runs a command against the demonstration once its storm and its fall are at headquarters: `demo.py --then`."""

import os
import shlex
import subprocess
import time

import check
import programs as p

STORM_WITHIN_S = 150
FALL_WITHIN_S = 90
FALL_AGAIN_S = 30


def then(programs, view, say, command, person, fall):
    """Waits for a red pond and, where falls are looked for, for the clip of one; returns the command's status."""
    check._until(programs, view, "live values", STORM_WITHIN_S, lambda: len(view.live()) >= 5)
    watched = p.model_installed()
    asked = 0.0
    began = time.monotonic()

    def ready():
        nonlocal asked
        if watched and not clip() and time.monotonic() > asked + FALL_AGAIN_S:
            asked = time.monotonic()
            fall(programs)
        return ("pond", "red") in view.seen_dam and (not watched or clip() or time.monotonic() > began + FALL_WITHIN_S)

    check._until(programs, view, "a red pond and the clip of a fall", STORM_WITHIN_S, ready)
    say(f"ready: {'with' if watched and clip() else 'without'} the clip of a fall; now {command}")
    about = {"MINEWATCH_URL": p.url("console", "/"), "MINEWATCH_PERSON": person["person"],
             "MINEWATCH_PASSWORD": person["password"], "MINEWATCH_FALL": "1" if watched and clip() else "0"}
    return subprocess.run(shlex.split(command), cwd=p.ROOT, env={**os.environ, **about}).returncode


def clip():
    """Whether headquarters has the clip of the demonstration's fall."""
    try:
        return check.evidence("clip")
    except OSError:
        return False
