"""Recomputes the golden vectors of the notification channels without our code."""
import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys

from standardwebhooks.webhooks import Webhook
import datetime

root = pathlib.Path(sys.argv[1])
golden = root / "aggregator/golden/notify"
source = (root / "aggregator/src/notify/sign.rs").read_text()
secret = "SEC0123456789abcdef"


def mac(key, text):
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def constant(name):
    return re.search(name + r': &str =\s*"([^"]+)"', source).group(1)


assert constant("VECTOR_DINGTALK") == mac(secret, f"1795600800000\n{secret}")
assert constant("VECTOR_FEISHU") == mac(f"1795600800\n{secret}", "")
assert constant("VECTOR_FEISHU_SHORT") == mac("1599360473\ndemo", "")
known = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").sign(
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    datetime.datetime.fromtimestamp(1614265330, tz=datetime.timezone.utc),
    '{"test": 2432232314}',
)
assert known in source, known

feishu = json.loads((golden / "feishu.json").read_text())
assert feishu["sign"] == mac(f"{feishu['timestamp']}\n{secret}", "")
assert feishu["msg_type"] == "post" and feishu["content"]["post"]["zh_cn"]["title"].startswith("【红色预警】")
wecom = json.loads((golden / "wecom.json").read_text())
assert wecom["msgtype"] == "markdown" and len(wecom["markdown"]["content"].encode()) <= 4096
everybody = json.loads((golden / "wecom-all.json").read_text())
assert everybody["text"]["mentioned_list"] == ["@all"] and len(everybody["text"]["content"].encode()) <= 2048
dingtalk = json.loads((golden / "dingtalk.json").read_text())
assert dingtalk["markdown"]["title"] and dingtalk["at"]["isAtAll"] is True

# apprise as a second opinion about the shape of the robots' messages: the same top-level fields.
import apprise

shapes = {}


def record(self_url, payload):
    shapes[self_url] = payload


import apprise.plugins.feishu as apprise_feishu  # noqa: E402
import requests

original = requests.post


def fake_post(url, data=None, **_):
    shapes[url.split("/")[2]] = json.loads(data)
    answer = requests.Response()
    answer.status_code = 200
    answer._content = b'{"errcode":0,"code":0,"errmsg":"ok","msg":"success"}'
    return answer


requests.post = fake_post
for url in ("wecombot://botkeyabcdefghijklmnop", "dingtalk://SECabcdef@tokenabcdefghijkl", "feishu://tokenabcdefghijkl"):
    robot = apprise.Apprise()
    assert robot.add(url), url
    assert robot.notify(body="x", title="y"), url
requests.post = original
assert len(shapes) == 3, shapes
for host, payload in shapes.items():
    ours = {"qyapi": everybody, "oapi": dingtalk, "open": feishu}[host.split(".")[0]]
    kind = "msg_type" if "msg_type" in payload else "msgtype"
    assert kind in ours, (host, payload)
print("vectors agree:", ", ".join(sorted(shapes)))
