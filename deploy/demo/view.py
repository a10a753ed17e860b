"""What the demonstration knows right now, and how one screen of it looks."""

import time

import programs as p

LEVELS = ("normal", "blue", "yellow", "orange", "red")
LEVEL_TEXT = {"normal": "正常 normal", "blue": "蓝色 blue", "yellow": "黄色 yellow", "orange": "橙色 orange",
              "red": "红色 red"}
COLOUR = {"normal": "32", "blue": "34;1", "yellow": "33;1", "orange": "38;5;208;1", "red": "31;1"}
LINK_TEXT = {"up": "通 up", "refused": "断开 refused", "half_open": "半开 half-open"}


def alarm_text(alarm):
    name = alarm.get("name") or {}
    text = f"{name.get('zh') or ''} {name.get('en') or alarm['alarm']}".strip()
    if alarm.get("value") is None or alarm.get("limit") is None:
        return f"{text}: {alarm.get('why', '')}"
    return f"{text}: {alarm['value']:.2f}, 限值 limit {alarm['limit']:.2f} {alarm.get('unit') or ''}"


def without_limits(point):
    """Sorts points that can warn before those that only inform."""
    limits = list((point.get("high") or {}).values()) + list((point.get("low") or {}).values())
    return all(limit is None for limit in limits)


class View:
    """Collects from the API, the simulator and the headquarters topics."""

    def __init__(self):
        self.points, self.alarms, self.gateways, self.ledger, self.plant = [], [], [], [], {}
        self.seen_api, self.seen_hq, self.seen_dam = set(), set(), set()
        self.hq_messages = 0
        self.siren_was_on = False
        self.fall_api = self.fall_hq = False
        self.error = self.sign_in = ""

    def heard(self, topic, document):
        """A message on the headquarters topics."""
        self.hq_messages += 1
        if "/alarm/" in topic:
            data = document.get("data") or {}
            self.fall_hq |= data.get("kind") == "fall" and bool({data.get("level"), data.get("to")} & {"orange", "red"})
            self.seen_hq.update(data.get(key) for key in ("level", "to") if data.get(key) in LEVELS)

    def refresh(self):
        try:
            self.plant = p.ask(p.url("control", "/state"))
            self.siren_was_on |= bool(self.plant["siren"]["coil"])
            self.gateways = p.ask(p.url("console", "/api/v1/gateways"))
            self.points = p.ask(p.url("console", "/api/v1/points"))
            self.alarms = p.ask(p.url("console", "/api/v1/alarms?state=all&limit=200"))
            self.seen_api.update(alarm["level"] for alarm in self.alarms if alarm["kind"] in ("threshold", "rate"))
            self.seen_dam.update((alarm["kind"], alarm["level"]) for alarm in self.alarms
                                 if alarm["kind"] in ("item", "pond"))
            self.fall_api |= any(alarm["kind"] == "fall" and alarm["level"] != "normal" for alarm in self.alarms)
            self.ledger = p.ask(p.url("console", "/api/v1/ledger"))
            self.error = ""
        except (OSError, ValueError, KeyError) as error:
            self.error = f"{type(error).__name__}: {error}"

    def live(self):
        return [point for point in self.points if point.get("latest") and point["latest"]["value"] is not None]

    def active(self):
        return [alarm for alarm in self.alarms if alarm["level"] != "normal"]

    def worst(self):
        return max((alarm["level"] for alarm in self.active()), key=LEVELS.index, default="normal")

    def link(self):
        relays = self.plant.get("relays") or [{}]
        return relays[0].get("state", "?")

    def counts(self):
        """Received, missing, missing without an explanation; and whether the ledger is complete."""
        received = missing = unexplained = 0
        for entry in self.ledger:
            for stream in entry["streams"]:
                received += stream["received"]
                missing += sum(to - begin for begin, to in stream["missing"])
                unexplained += stream["unexplained"]
        complete = bool(self.ledger) and all(entry["complete"] for entry in self.ledger)
        return received, missing, unexplained, complete

    def ledger_text(self, complete):
        if any(gateway["link"]["state"] != "online" for gateway in self.gateways):
            return "断链，之后未知 not heard, unknown since"
        return "完整 complete" if complete else "补传中 catching up"

    def coloured(self, level):
        return f"\033[{COLOUR[level]}m{LEVEL_TEXT[level]}\033[0m"

    def screen(self, note):
        received, missing, unexplained, complete = self.counts()
        backlog = sum(gateway.get("backlog") or 0 for gateway in self.gateways)
        siren = self.plant.get("siren", {})
        lines = [
            f"\033[1mMinewatch 矿安哨  {p.url('console', '/')}\033[0m   {time.strftime('%H:%M:%S')}",
            self.sign_in,
            "",
            f"预警 level      {self.coloured(self.worst())}",
            f"警报器 siren    {'响 ON' if siren.get('coil') else '静 off'}"
            f"   回读 read-back {'响 ON' if siren.get('read_back') else '静 off'}",
            f"链路 link       {LINK_TEXT.get(self.link(), self.link())}   待发 backlog {backlog}",
            f"台账 ledger     收到 received {received}   缺失 missing {missing}   "
            f"未解释 unexplained {unexplained}   {self.ledger_text(complete)}",
            f"上级主题 headquarters topics: {self.hq_messages} messages",
            "",
        ]
        for alarm in self.active()[:6]:
            lines.append(f"  {self.coloured(alarm['level'])}  {alarm_text(alarm)}")
        lines.append("")
        for point in sorted(self.live(), key=without_limits)[:12]:
            latest = point["latest"]
            stale = "  过期 stale" if latest.get("stale") else ""
            lines.append(f"  {point['name']['zh']} {point['name']['en']}: {latest['value']:.3f} {point['unit']}"
                         f"  {latest['quality']}{stale}")
        lines += ["", f"{note}{'  ' + self.error if self.error else ''}", "",
                  "l 断链 refuse link   h 半开 half-open   r 恢复 restore   f 设备故障 device fault   p 有人跌倒 a fall   q 退出 quit"]
        return "\n".join(lines)
