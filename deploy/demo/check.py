"""What must be seen in a demonstration; used by `demo.py --headless --assert` and so by the tests."""

import time

import programs as p

WITHIN_S = 150
LIVE_WITHIN_S = 15
WANTED = {"yellow", "orange", "red"}
AWAY_S = 10
# The scene walks eight seconds before the fall.
FALL_WITHIN_S = 40
DRAINED_WITHIN_S = 45


def _until(programs, view, what, seconds, condition):
    """Refreshes the view until `condition` holds; fails with what is there instead."""
    began = time.monotonic()
    while True:
        programs.must_run()
        view.refresh()
        if condition():
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise p.Failed(f"{what}: not within {seconds} s\n{view.screen('')}")
        time.sleep(0.2)


def evidence(kind):
    """Whether headquarters has evidence of the demonstration's fall."""
    items = p.ask(p.url("console", "/api/v1/evidence/gw-demo/cam-yard.fall"))
    return any(item["kind"] == kind for item in items)


def check(programs, view, say, seconds, fall):
    took = _until(programs, view, "live values", LIVE_WITHIN_S, lambda: len(view.live()) >= 5)
    say(f"ok: {len(view.live())} points with live values after {took:.1f} s")

    took = _until(programs, view, "yellow, orange and red on the API", seconds, lambda: WANTED <= view.seen_api)
    say(f"ok: {sorted(view.seen_api)} seen on the API after {took:.1f} s")
    _until(programs, view, "yellow, orange and red on the headquarters topics", 10, lambda: WANTED <= view.seen_hq)
    say(f"ok: {sorted(view.seen_hq)} seen on the headquarters topics")
    # Two orange items are one red pond (GB 39496-2020 5.5.4), so the pond may pass orange in no time.
    risen = {("item", "orange"), ("item", "red"), ("pond", "red")}
    _until(programs, view, "items at orange and red, the pond at red", 20, lambda: risen <= view.seen_dam)
    proofs = [alarm for alarm in p.ask(p.url("site", "/api/local"))["alarms"] if alarm["kind"] == "pond"]
    if not proofs or '"root"' not in proofs[0].get("proof", ""):
        raise p.Failed("the pond's alarm has no proof on the local page")
    say("ok: an item and the pond were raised, the pond with its proof")
    _until(programs, view, "siren coil", 10, lambda: view.siren_was_on)
    say("ok: the siren sounds")

    if p.model_installed():
        fall(programs)
        took = _until(programs, view, "a fall on the API", FALL_WITHIN_S, lambda: view.fall_api)
        _until(programs, view, "the fall on the headquarters topics", 30, lambda: view.fall_hq)
        say(f"ok: a person fell in front of the camera; at headquarters {took:.1f} s after the scene began")
        _until(programs, view, "the fall's snapshot at headquarters", 30, lambda: evidence("snapshot"))
        say("ok: its snapshot is at headquarters")
    else:
        say("skipped: no pose model or ONNX Runtime here, so no falls are looked for")

    p.set_link("half_open")
    time.sleep(AWAY_S)
    p.set_link("up")
    view.refresh()
    before = view.counts()[0]

    def whole():
        received, missing, unexplained, complete = view.counts()
        backlog = sum(gateway.get("backlog") or 0 for gateway in view.gateways)
        return received > before and missing == 0 and unexplained == 0 and complete and backlog == 0

    took = _until(programs, view, "complete ledger after a half-open link", DRAINED_WITHIN_S, whole)
    received, missing, unexplained, _ = view.counts()
    say(f"ok: {AWAY_S} s half-open, whole {took:.1f} s later: received {received}, missing {missing}, "
        f"unexplained {unexplained}")
    say("every check passed")
    return 0
