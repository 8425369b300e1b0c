#!/usr/bin/env python3
"""Bots on the usual libraries behind wechatd: python3 tests/bench/peers/behind.py [--work DIR] [--wechatd PROGRAM]

Installs the libraries from the package registries into DIR (reused on the next run with the same DIR, also by run.py),
starts every bot as its documentation says, forwards to it from a running wechatd in the modes plain and secure, plays a
text, a tap, a follow and a text that is answered with an article, and prints one Markdown table. Each answer is also
compared with what the bot answers when the platform calls it directly. The exit code is 1 if any differs from what is expected.
Needs python3 with venv, node with npm, and cargo, unless PROGRAM is given.
"""
import argparse
import base64
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ET

sys.dont_write_bytecode = True
import run

BOTS = run.HERE / "bots"
BOT_TOKEN = "botToken2026"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes. OK").decode()
ACCOUNT = 'token = "accountToken2026"\n'
SECURE = (
    f'{ACCOUNT}mode = "secure"\napp_id = "wx7a9c0e1f2b3d4c5e"\n'
    'aes_key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"\n'
)
CONFIG = """[account]
{account}
[server]
listen = "127.0.0.1:PORT"

[[service]]
name = "bot"
url = "{url}"
{service}

[[rule]]
message = "any"
forward = "bot"
otherwise = "the service failed"

[[rule]]
event = ["CLICK", "subscribe"]
forward = "bot"
otherwise = "the service failed"
"""
ARTICLE = ("Opening hours", "When we are there", "https://www.example.com/hours.jpg",
           "https://www.example.com/hours?from=chat&lang=en")
# What is played, and what is expected.
PLAYED = {
    "text": (["text", "hello & <好>"], ("text", "You said hello & <好>")),
    "CLICK": (["CLICK", "--key", "HOURS"], ("text", "You tapped HOURS")),
    "subscribe": (["subscribe"], ("text", "Welcome")),
    "news": (["text", "news"], ("news", ARTICLE)),
}


def bots(work):
    """Name, command, folder and the keys of the service of each bot."""
    wechat = f'format = "wechat"\ntoken = "{BOT_TOKEN}"'
    python, node = work / "py/bin", work / "node"
    gunicorn = [str(python / "gunicorn"), "-w", "2", "-b", "127.0.0.1:PORT"]
    listed = [
        ("wechatpy + Flask, gunicorn", [*gunicorn, "wechatpy_bot"], work, wechat),
        ("WeRoBot, gunicorn", [*gunicorn, "werobot_bot"], work, wechat),
    ]
    if shutil.which("node"):
        listed += [
            ("`wechat` on Express", ["node", "express_wechat_bot.js", "PORT", BOT_TOKEN], node, wechat),
            ("`co-wechat` on Koa", ["node", "koa_co_wechat_bot.js", "PORT", BOT_TOKEN], node, wechat),
        ]
    verifier = [str(python / "python"), "standardwebhooks_bot.py", "PORT", SECRET]
    listed.append(("`standardwebhooks`", verifier, work, f'format = "json"\nsecret = "{SECRET}"'))
    return listed


def install(work):
    run.install(work)
    run.run([str(work / "py/bin/python"), "-m", "pip", "install", "-q", "standardwebhooks"])
    for script in BOTS.iterdir():
        if script.is_file():
            shutil.copy(script, work / "node" if script.suffix == ".js" else work)


def understood(xml):
    """The kind of a reply and its text, or its first article."""
    root = ET.fromstring(xml)
    kind = root.findtext("MsgType")
    if kind != "news":
        return kind, root.findtext("Content")
    article = root.find("Articles/item")
    return kind, tuple(article.findtext(name) for name in ("Title", "Description", "PicUrl", "Url"))


def direct(url, name):
    """What the bot answers to the platform itself."""
    elements = {
        "text": "<MsgType>text</MsgType><Content><![CDATA[hello & <好>]]></Content><MsgId>1</MsgId>",
        "news": "<MsgType>text</MsgType><Content>news</Content><MsgId>2</MsgId>",
        "CLICK": "<MsgType>event</MsgType><Event>CLICK</Event><EventKey>HOURS</EventKey>",
        "subscribe": "<MsgType>event</MsgType><Event>subscribe</Event><EventKey></EventKey>",
    }[name]
    time_, nonce = str(int(time.time())), "1234567"
    signature = hashlib.sha1("".join(sorted([BOT_TOKEN, time_, nonce])).encode()).hexdigest()
    body = (
        "<xml><ToUserName>gh_000000000000</ToUserName><FromUserName>oA</FromUserName>"
        f"<CreateTime>{time_}</CreateTime>{elements}</xml>"
    )
    query = f"?signature={signature}&timestamp={time_}&nonce={nonce}&openid=oA"
    request = urllib.request.Request(url + query, body.encode(), {"Content-Type": "text/xml"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return understood(answer.read().decode())


class Behind:
    """wechatd in front of one bot."""

    def __init__(self, wechatd, url, service, account, log):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wechatd-behind-"))
        self.config = self.folder / "wechat.conf"
        self.config.write_text(CONFIG.format(account=account, url=url, service=service))
        self.config.chmod(0o600)
        self.wechatd = [wechatd, "--config", str(self.config)]
        self.server = run.Server("wechatd", [*self.wechatd, "serve"], self.folder, log)

    def command(self, *arguments):
        return subprocess.run([*self.wechatd, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def play(self, arguments):
        ran = self.command("simulate", *arguments, "--json")
        if ran.returncode:
            return "failed", ran.stdout
        reply = json.loads(ran.stdout)["reply"]
        return understood(reply) if reply else ("nothing", None)

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.folder)


def try_bot(wechatd, name, command, folder, service, log):
    """The cells of its row, and whether all is as expected."""
    bot = run.Server(name, command, folder, log)
    url = f"http://127.0.0.1:{bot.port}/wechat"
    fine, cells = True, {}

    def judge(name, good, what):
        nonlocal fine
        fine = fine and good
        cells.setdefault(name, []).append(what if good else f"**{what}**")

    try:
        for mode, account in [("plain", ACCOUNT), ("secure", SECURE)]:
            behind = Behind(wechatd, url, service, account, log)
            try:
                for column, (arguments, expected) in PLAYED.items():
                    got = behind.play(arguments)
                    judge(column, got == expected, "answered" if got == expected else f"{mode}: {got}")
                checked = behind.command("service", "check", "bot")
                print(f"$ wechatd service check bot    # {name}, {mode}\n{checked.stdout}", file=sys.stderr)
                judge("`service check`", checked.returncode == 0, "passed" if checked.returncode == 0 else "failed")
            finally:
                behind.stop()
        if 'format = "wechat"' in service:
            for column, (_, expected) in PLAYED.items():
                got = direct(url, column)
                judge("directly the same", got == expected, "yes" if got == expected else f"{column}: {got}")
    finally:
        bot.stop()
    return cells, fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--wechatd")
    options = parser.parse_args()
    work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="wechatd-peers-"))).resolve()
    work.mkdir(exist_ok=True)
    install(work)
    run.TOKEN = BOT_TOKEN
    wechatd = options.wechatd or run.artifact(["cargo", "build", "--message-format=json"], "wechatd", run.ROOT)
    columns = [*PLAYED, "`service check`", "directly the same"]
    print(f"| in front of | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", flush=True)
    all_fine = True
    for name, command, folder, service in bots(work):
        captured = work / "bot.log"
        with open(captured, "wb") as log:
            cells, fine = try_bot(wechatd, name, command, folder, service, log)
        all_fine = all_fine and fine
        shown = [", ".join(dict.fromkeys(cells.get(column, ["–"]))) for column in columns]
        print(f"| {name} | {' | '.join(shown)} |", flush=True)
        if 'format = "json"' in service:
            all_fine = verified(captured) and all_fine
    sys.exit(0 if all_fine else 1)


def verified(captured):
    """Whether the calls that the library verified are as they should be: the first two are about one push, as the bot was
    not ready; each has a signature of its own."""
    calls = [json.loads(line) for line in re.findall(r"^\{.*\}$", captured.read_text(), re.MULTILINE)]
    print(f"\n`standardwebhooks` verified {len(calls)} calls, among them:\n", flush=True)
    for call in calls[:3]:
        print(json.dumps(call))
    ids, signatures = ([call[f"webhook-{what}"] for call in calls] for what in ("id", "signature"))
    return len(calls) > 2 and ids[0] == ids[1] != ids[2] and len(set(signatures)) == len(signatures)


if __name__ == "__main__":
    main()
