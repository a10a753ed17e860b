"""Builds, starts and stops the demonstration's three programs."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A second demonstration beside the first, as in the tests, has a folder of its own.
DATA = Path(os.environ.get("MINEWATCH_DEMO_DATA", ROOT / "target" / "demo"))
STATE = DATA / "demo.json"
HOST = "127.0.0.1"
# All on loopback. The gateway talks to the relay, the relay to the broker inside the aggregator.
PORTS = {"console": 18080, "broker": 18830, "broker_v4": 18840, "relay": 18831, "modbus": 15020,
         "control": 15080, "site": 8081, "rtsp": 18554}
READY_WITHIN_S = 60


class Failed(Exception):
    """Something an operator must read; the message says what to do."""


def url(name, path=""):
    return f"http://{HOST}:{PORTS[name]}{path}"


def take_free_ports():
    """Ports nobody uses, for a second demonstration or a test beside other programs."""
    probes = {name: socket.create_server((HOST, 0)) for name in PORTS}
    for name, probe in probes.items():
        PORTS[name] = probe.getsockname()[1]
        probe.close()


def find_running():
    """Takes over the ports of the demonstration that runs, for commands from another terminal."""
    if STATE.exists():
        PORTS.update(json.loads(STATE.read_text())["ports"])


def ask(address, body=None, timeout=3):
    """GET, or POST of a JSON body; returns the JSON answer, if there is one."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    if address.startswith(url("console", "/api/")):
        headers["authorization"] = f"Bearer {(DATA / 'read-token').read_text()}"
    request = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def build(say):
    say("building (the first time takes several minutes)")
    done = subprocess.run(["cargo", "build", "--workspace", "--bins"], cwd=ROOT)
    if done.returncode:
        raise Failed("the build failed; see above")


def check_ports():
    for name, port in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise Failed(f"port {port} ({name}) is in use; is another demonstration running?") from None


def write_configs():
    """The shipped demo site with this folder's spool and ports, and an aggregator with defaults."""
    sites = ROOT / "firmware-configs" / "sites"
    text = (sites / "demo.toml").read_text(encoding="utf-8")
    sensors = (sites / "../sensors").resolve()
    text = re.sub(r'(?m)^sensors\s*=.*$', "", text)
    text = re.sub(r'(?m)^dam\s*=\s*"(.*)"$', rf'dam = "{sites}/\1"', text)
    text = re.sub(r'(?m)^dir\s*=.*$', f'dir = "{DATA}/spool"', text, count=1)
    text = re.sub(r'(?m)^url\s*=\s*"mqtt.*$', f'url = "mqtt://{HOST}:{PORTS["relay"]}"', text, count=1)
    text = re.sub(r'(?m)^listen\s*=.*$', f'listen = "{HOST}:{PORTS["site"]}"', text, count=1)
    text = re.sub(r'(?m)^dir\s*=\s*".*evidence"$', f'dir = "{DATA}/evidence"', text)
    text = text.replace("rtsp://127.0.0.1:18554/", f'rtsp://{HOST}:{PORTS["rtsp"]}/')
    send = f'[evidence.send]\nurl = "{url("console")}"\ntoken_file = "{DATA}/tokens/gw-demo"\n\n'
    text = text.replace("[[camera]]", send + "[[camera]]", 1)
    profiles = (sites / "../cameras").resolve()
    (DATA / "tokens").mkdir()
    (DATA / "tokens" / "gw-demo").write_text(secrets.token_hex(16))
    text = re.sub(r'(?m)^port\s*=.*$', f'port = {PORTS["modbus"]}', text, count=1)
    (DATA / "site.toml").write_text(f'sensors = "{sensors}"\ncamera_profiles = "{profiles}"\n{text}', encoding="utf-8")
    (DATA / "aggregator.toml").write_text(
        f'[http]\nlisten = "{HOST}:{PORTS["console"]}"\nread_token_file = "{DATA}/read-token"\n\n'
        '[people]\nsecond_factor = "optional"\n\n'
        f'[store]\nurl = "sqlite:{DATA}/minewatch.db"\n\n'
        f'[broker]\nlisten = "{HOST}:{PORTS["broker"]}"\nlisten_v4 = "{HOST}:{PORTS["broker_v4"]}"\n\n'
        f'[evidence]\ndir = "{DATA}/hq-evidence"\ntokens_dir = "{DATA}/tokens"\n', encoding="utf-8")


class Programs:
    """The running children. `stop` ends them in the order in which nothing is lost."""

    def __init__(self):
        self.children = []

    def start(self, name, *arguments):
        program = ROOT / "target" / "debug" / name
        if not program.is_file():
            raise Failed(f"{program} is missing; run `make build`")
        with open(DATA / f"{name}.log", "ab") as log:
            child = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=log,
                                     stderr=log, cwd=DATA, start_new_session=True)
        self.children.append((name, child))

    def tell(self, name, line):
        """Gives a program a command on its standard input."""
        child = next(child for known, child in self.children if known == name)
        child.stdin.write(f"{line}\n".encode())
        child.stdin.flush()

    def must_run(self):
        for name, child in self.children:
            if child.poll() is not None:
                tail = (DATA / f"{name}.log").read_text(errors="replace").splitlines()[-20:]
                raise Failed(f"{name} ended ({child.returncode}); it last said:\n" + "\n".join(tail))

    def wait(self, what, condition):
        until = time.monotonic() + READY_WITHIN_S
        while True:
            self.must_run()
            try:
                if condition():
                    return
            except (OSError, ValueError, KeyError):
                pass
            if time.monotonic() > until:
                raise Failed(f"{what}: not within {READY_WITHIN_S} s; logs are in {DATA}")
            time.sleep(0.1)

    def stop(self):
        for _, child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        self.children.clear()


def first_person():
    """The first administrator, made as an operator would: with the token of the first start."""
    token = (DATA / "minewatch.setup-token").read_text().strip()
    person = {"person": "demo", "name": "演示 Demo", "password": secrets.token_urlsafe(12), "role": "administrator"}
    ask(url("console", "/api/v1/setup"), {"token": token, "people": [person]}, timeout=20)
    return person


def launch(programs, say, scenario, speed):
    """Starts everything; returns who may sign in when the console answers and the gateway is heard."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    check_ports()
    write_configs()
    (DATA / "read-token").write_text(secrets.token_urlsafe(24))
    say("starting the simulated mine")
    speed = ["--speed", speed] if speed else []
    programs.start("simulator", "run", "--modbus", f"{HOST}:{PORTS['modbus']}", "--control",
                   f"{HOST}:{PORTS['control']}", "--relay", f"{HOST}:{PORTS['relay']}={HOST}:{PORTS['broker']}",
                   "--scenario", scenario, *speed)
    programs.wait("the simulator answers", lambda: ask(url("control", "/state")) is not None)
    programs.start("simulator-cameras", "serve", "--port", PORTS["rtsp"], "--camera", "yard=walk")
    programs.wait("the simulated camera answers", lambda: socket.create_connection((HOST, PORTS["rtsp"]), 1).close() or True)
    say("starting headquarters (aggregator with its own broker and SQLite)")
    programs.start("aggregator", "run", "--config", DATA / "aggregator.toml")
    programs.wait("headquarters is ready", lambda: ask(url("console", "/api/v1/system"))["store"]["ok"])
    person = first_person()
    say("starting the gateway")
    programs.start("gateway", "run", DATA / "site.toml")
    programs.wait("the gateway is heard", lambda: ask(url("console", "/api/v1/gateways")))
    STATE.write_text(json.dumps({"pid": os.getpid(), "ports": PORTS}))
    return person


def model_installed():
    """Whether set-up could fetch what finds people in pictures."""
    vendor = ROOT / "vendor"
    return any(vendor.glob("ort/*/libonnxruntime.so.1")) and any(vendor.glob("models/*.onnx"))


def set_link(state):
    """Cuts or restores the link of the running demonstration."""
    ask(url("control", "/link"), {"state": state})


def toggle_fault(device):
    """Puts a device out of order, or back in order when it is."""
    devices = ask(url("control", "/state"))["devices"]
    faulty = next((d for d in devices if d["id"] == device), None)
    if faulty is None:
        raise Failed(f"no device {device!r}; there are " + ", ".join(d["id"] for d in devices))
    if faulty["faults"]:
        ask(url("control", "/clear"), {"device": device})
        return f"{device} answers again"
    ask(url("control", "/fault"), {"device": device, "fault": {"kind": "silence"}})
    return f"{device} no longer answers"


def main_guard(function):
    """Runs `function`; a failure is a sentence, not a traceback."""
    try:
        return function()
    except Failed as failed:
        print(f"\ndemo: {failed}", file=sys.stderr)
    except urllib.error.URLError as error:
        print(f"\ndemo: no demonstration answers ({error.reason}); start one with `make demo`", file=sys.stderr)
    return 1
