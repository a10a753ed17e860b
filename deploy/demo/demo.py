#!/usr/bin/env python3
"""A whole mine and its headquarters on this machine: `make demo`.

A seeded storm drives a simulated tailings pond through yellow, orange and red. The gateway reads
its instruments over Modbus, decides on site, sounds the siren and forwards its ledger over a link
that can be cut with a key; the console shows it all. Needs nothing but Python's standard library.
"""

import argparse
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
import webbrowser

import check
import hq
import programs as p
import then
from view import View

REFRESH_S = 0.5
# Half a minute of storm first, then a person falls in front of the camera.
FALL_AFTER_S = 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headless", action="store_true", help="no keys and no screen: one line per second")
    parser.add_argument("--seconds", type=int, default=0, help="end after so many seconds")
    parser.add_argument("--assert", dest="check", action="store_true", help="check what must happen")
    parser.add_argument("--no-build", action="store_true", help="use the programs that are already built")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--free-ports", action="store_true", help="listen where nobody else does")
    parser.add_argument("--scenario", default="storm", choices=["storm", "normal"])
    parser.add_argument("--speed", help="simulated seconds per second")
    parser.add_argument("--then", metavar="COMMAND", help="run this against the storm, then end with its status")
    parser.add_argument("--set-link", metavar="STATE", help="of a running demo: up, refused, half_open")
    parser.add_argument("--toggle-fault", nargs="?", const="", metavar="DEVICE", help="of a running demo")
    return parser.parse_args()


def say(text):
    print(f"demo: {text}", flush=True)


class Keys:
    """Single key presses of a terminal; restores the terminal at the end."""

    def __enter__(self):
        self.before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_):
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.before)

    def pressed(self, within_s):
        ready, _, _ = select.select([sys.stdin], [], [], within_s)
        return os.read(sys.stdin.fileno(), 1).decode(errors="ignore") if ready else ""


def act(programs, key):
    """What a key does; returns a note for the screen."""
    links = {"l": ("refused", "链路已断开 link refused"), "h": ("half_open", "链路半开 link half-open"),
             "r": ("up", "链路已恢复 link restored")}
    if key in links:
        p.set_link(links[key][0])
        return links[key][1]
    if key == "p":
        return fall(programs)
    if key == "f":
        return p.toggle_fault(fault_device())
    return ""


def fall(programs):
    """A person in front of the camera walks some seconds, then falls."""
    programs.tell("simulator-cameras", "show yard fall")
    return "有人跌倒 a person falls"


def fault_device():
    """A device that can be put out of order: the first piezometer of the simulated dam."""
    devices = [device["id"] for device in p.ask(p.url("control", "/state"))["devices"]]
    return next((d for d in devices if d.startswith(("pz", "piez"))), devices[0])


def watch(programs, view, seconds):
    until = time.monotonic() + seconds if seconds else float("inf")
    began, fallen = time.monotonic(), False
    note, interactive = "", sys.stdin.isatty() and sys.stdout.isatty()
    if not interactive:
        return watch_lines(programs, view, until)
    with Keys() as keys:
        while time.monotonic() < until:
            programs.must_run()
            view.refresh()
            print("\033[H\033[2J" + view.screen(note), flush=True)
            key = keys.pressed(REFRESH_S)
            if key == "q":
                return 0
            if not fallen and time.monotonic() > began + FALL_AFTER_S:
                note, fallen = fall(programs), True
            note = act(programs, key) or note
    return 0


def watch_lines(programs, view, until):
    while time.monotonic() < until:
        programs.must_run()
        view.refresh()
        received, missing, unexplained, complete = view.counts()
        say(f"level {view.worst()}, siren {view.plant.get('siren', {}).get('coil')}, link {view.link()}, "
            f"received {received}, missing {missing}, unexplained {unexplained}, complete {complete} {view.error}")
        time.sleep(1)
    return 0


def run(options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.free_ports:
        p.take_free_ports()
    if not options.no_build:
        p.build(say)
    programs, view = p.Programs(), View()
    try:
        person = p.launch(programs, say, options.scenario, options.speed)
        hq.Subscriber(p.HOST, p.PORTS["broker_v4"], "minewatch/v1/hq/#", view.heard).start()
        view.sign_in = f"登录 sign in: {person['person']}  {person['password']}"
        say(view.sign_in)
        say(f"console: {p.url('console', '/')}    site page: {p.url('site', '/')}    logs: {p.DATA}")
        if options.then:
            return then.then(programs, view, say, options.then, person, fall)
        if options.check:
            return check.check(programs, view, say, options.seconds or check.WITHIN_S, fall)
        if not options.no_browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            threading.Thread(target=webbrowser.open, args=[p.url("console", "/")], daemon=True).start()
        return watch(programs, view, options.seconds)
    except KeyboardInterrupt:
        return 0
    finally:
        if programs.children:
            say("stopping")
            programs.stop()
            p.STATE.unlink(missing_ok=True)


def main():
    options = arguments()
    if options.set_link or options.toggle_fault is not None:
        p.find_running()
    if options.set_link:
        p.set_link(options.set_link)
        say(f"link {options.set_link}")
        return 0
    if options.toggle_fault is not None:
        say(p.toggle_fault(options.toggle_fault or fault_device()))
        return 0
    return run(options)


if __name__ == "__main__":
    sys.exit(p.main_guard(main))
