"""Robots, a webhook, an SMS adapter and a mail server as strict strangers.

Each checks what the real one checks (signature, age, size, rate), refuses otherwise, and prints one
JSON line per request: {"kind", "key", "ok", "why", "level"}. Written without our code: hmac for the
robots, the `standardwebhooks` package for webhooks, aiosmtpd for mail.

    notify_stub.py HTTP_PORT SMTP_PORT FAIL_EVERY   (every n-th good request is answered 503 first)
"""
import base64
import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook

SECRET = "SEC0123456789abcdef"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
lock = threading.Lock()
windows = {}
counts = {"good": 0}
fail_every = int(sys.argv[3])


def say(kind, key, ok, why="", **more):
    with lock:
        print(json.dumps({"kind": kind, "key": key, "ok": ok, "why": why, "at": time.time(), **more}), flush=True)


def too_fast(kind, most=20):
    """More than `most` in any 60 s."""
    with lock:
        now = time.time()
        recent = [t for t in windows.get(kind, []) if now - t < 60]
        recent.append(now)
        windows[kind] = recent
        return len(recent) > most


def mac(key, text):
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def wecom(query, body, raw):
    if query.get("key") != ["wecom-key"]:
        return {"errcode": 93000, "errmsg": "invalid webhook url"}
    kind = body["msgtype"]
    limit = {"text": 2048, "markdown": 4096}[kind]
    if len(body[kind]["content"].encode()) > limit:
        return {"errcode": 40058, "errmsg": "content too long"}
    if too_fast("wecom"):
        return {"errcode": 45009, "errmsg": "api freq out of limit"}
    return {"errcode": 0, "errmsg": "ok"}


def dingtalk(query, body, raw):
    stamp, sign = query.get("timestamp", [""])[0], query.get("sign", [""])[0]
    if sign != mac(SECRET, f"{stamp}\n{SECRET}") or abs(time.time() * 1000 - int(stamp)) > 3_600_000:
        return {"errcode": 310000, "errmsg": "sign not match"}
    if len(raw) > 20_000 or body["msgtype"] != "markdown" or not body["markdown"]["title"]:
        return {"errcode": 400, "errmsg": "bad message"}
    if too_fast("dingtalk"):
        return {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}
    return {"errcode": 0, "errmsg": "ok"}


def feishu(query, body, raw):
    stamp = body.get("timestamp", "0")
    if body.get("sign") != mac(f"{stamp}\n{SECRET}", "") or abs(time.time() - int(stamp)) > 3_600:
        return {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}
    if len(raw) > 20_000 or body["msg_type"] != "post" or not body["content"]["post"]["zh_cn"]["content"]:
        return {"code": 9499, "msg": "bad request"}
    if too_fast("feishu", 100):
        return {"code": 11232, "msg": "frequency limited"}
    return {"StatusCode": 0, "code": 0, "msg": "success"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, document=None, **headers):
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        parts = urlparse(self.path)
        kind = parts.path.strip("/")
        try:
            self.judge(kind, parse_qs(parts.query), json.loads(raw), raw)
        except Exception as error:  # a stranger's server answers 400 and goes on
            say(kind, self.headers.get("idempotency-key") or "", False, f"{type(error).__name__}: {error}")
            self.reply(400)

    def judge(self, kind, query, body, raw):
        if kind == "redirect":
            say(kind, "", True)
            return self.reply(307, location="/webhook")
        if kind in ("webhook", "sms", "voice"):
            Webhook(WEBHOOK_SECRET).verify(raw, dict(self.headers.items()))
            key = self.headers["webhook-id"]
            assert (body["data"]["id"] if kind == "webhook" else body["id"]) == key
            if kind != "webhook":
                assert body["to"] and body["template"] and all(len(v) <= 35 for v in body["variables"].values())
            if self.stumble():
                say(kind, key, False, "503 on purpose")
                return self.reply(503, retry_after="1")
            say(kind, key, True, level=body.get("level") or body["data"]["level"])
            return self.reply(204)
        if kind == "regulator":
            if self.headers.get("authorization") != "Bearer token-of-the-platform":
                say(kind, "", False, "token")
                return self.reply(401)
            key, ids = self.headers["idempotency-key"], [record["alarmId"] for record in body["records"]]
            if self.stumble():
                say(kind, key, False, "503 on purpose", ids=ids)
                return self.reply(503)
            say(kind, key, True, ids=ids)
            return self.reply(200, {"received": len(ids)})
        if kind not in ("wecom", "dingtalk", "feishu"):
            return self.reply(404)
        answer = {"wecom": wecom, "dingtalk": dingtalk, "feishu": feishu}[kind](query, body, raw)
        ok = 0 in (answer.get("errcode"), answer.get("code"))
        say(kind, self.headers["idempotency-key"], ok, "" if ok else json.dumps(answer))
        self.reply(200, answer)

    def stumble(self):
        with lock:
            counts["good"] += 1
            return fail_every and counts["good"] % fail_every == 0


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        from email import message_from_bytes, policy

        mail = message_from_bytes(envelope.content, policy=policy.default)
        for header in ("List-Id", "References", "In-Reply-To", "Date", "Subject", "Message-ID"):
            assert mail[header], header
        say("email", mail["Message-ID"].split("@")[0].strip("<>"), True, thread=mail["References"], to=envelope.rcpt_tos,
            subject=str(mail["Subject"]), text=mail.get_content()[:80])
        return "250 kept"


mailbox = Controller(Mailbox(), hostname="127.0.0.1", port=int(sys.argv[2]))
mailbox.start()
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(json.dumps({"ready": True}), flush=True)
server.serve_forever()
