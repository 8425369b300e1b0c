#!/usr/bin/env python3
"""Every peer, the references and wechatd side by side: python3 tests/bench/peers/run.py [--work DIR] [--seconds S] [--repeat N]

Installs the peers from the package registries into DIR (reused on the next run with the same DIR), builds the
references and the load generator of `cargo bench --bench callback`, starts all servers on this machine,
measures them in turn, and prints one Markdown table: medians of pushes a second as fractions of nginx's `return 200`.
Needs python3 with venv, node with npm, nginx and cargo; what is missing is skipped with a message.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOKEN = "benchToken2026"
# Name of the column, --close, connections.
COLUMNS = [
    ("close, 8", True, 8),
    ("close, 64", True, 64),
    ("keep-alive, 8", False, 8),
    ("keep-alive, 64", False, 64),
]
CEILING = "nginx `return 200`"
OURS = "**wechatd, every push on disk**"
PEERS = {
    "`co-wechat` on Koa",
    "`wechat` on Express",
    "WeRoBot, gunicorn, 2 workers",
    "wechatpy + Flask, gunicorn, 2 workers",
}


def run(command, **options):
    print("+", *command, file=sys.stderr)
    subprocess.run(command, check=True, stdout=sys.stderr, **options)


def artifact(command, name, folder):
    """Builds a target and returns the path of its executable."""
    print("+", *command, file=sys.stderr)
    built = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder)
    found = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return found[name]


def install(work):
    python = work / "py/bin/python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(work / "py")])
    packages = ["werobot", "wechatpy", "flask", "gunicorn", "cryptography"]
    run([str(python), "-m", "pip", "install", "-q", *packages])
    node = work / "node"
    node.mkdir(exist_ok=True)
    if shutil.which("npm"):
        (node / "package.json").write_text('{"name":"peers","private":true}')
        run(["npm", "install", "--silent", "wechat", "express", "koa", "co-wechat"], cwd=node)
    for script in (HERE / "servers").iterdir():
        shutil.copy(script, node if script.suffix == ".js" else work)


def servers(work):
    """Name, command and folder of each server; PORT in the command and in `*.conf` of the folder is replaced."""
    listed = []
    if shutil.which("nginx"):
        (work / "nginx").mkdir(exist_ok=True)
        (work / "nginx/nginx.conf").write_text(
            "daemon off; worker_processes auto; pid nginx.pid; error_log stderr crit;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; keepalive_requests 100000000; client_body_temp_path body;\n"
            "proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
            'server { listen 127.0.0.1:PORT backlog=1024; location / { return 200 "success"; } } }\n'
        )
        listed.append((CEILING, ["nginx", "-p", str(work / "nginx"), "-c", "nginx.conf"], work / "nginx"))
    else:
        print("nginx is missing: skipped", file=sys.stderr)
    # Built from a copy, so that no Cargo.lock is left in the source folder.
    reference = work / "reference"
    shutil.copytree(HERE / "reference", reference, dirs_exist_ok=True)
    build = ["cargo", "build", "--release", "--message-format=json"]
    for name, binary in [
        ("`hyper`, same work, no store", "hyper_handler"),
        ("bare `tiny_http`, same work, no store", "bare_tiny_http"),
    ]:
        listed.append((name, [artifact(build, binary, reference), "PORT", TOKEN], work))
    wechatd = artifact(["cargo", "build", "--release", "--message-format=json"], "wechatd", ROOT)
    ours = work / "wechatd"
    shutil.rmtree(ours, ignore_errors=True)
    ours.mkdir()
    (ours / "wechat.conf").write_text(
        f'[account]\ntoken = "{TOKEN}"\n[server]\nlisten = "127.0.0.1:PORT"\n'
        '[[rule]]\nmessage = "text"\ntext = "Send @ followed by your suggestion, and we will receive it."\n'
    )
    listed.append((OURS, [wechatd, "--config", str(ours / "wechat.conf")], ours))
    if shutil.which("node"):
        node = work / "node"
        listed.append(("`co-wechat` on Koa", ["node", "koa_co_wechat.js", "PORT", TOKEN], node))
        listed.append(("`wechat` on Express", ["node", "express_wechat.js", "PORT", TOKEN], node))
    gunicorn = [str(work / "py/bin/gunicorn"), "-w", "2", "-b", "127.0.0.1:PORT", "--backlog", "1024"]
    listed.append(("WeRoBot, gunicorn, 2 workers", [*gunicorn, "werobot_app"], work))
    listed.append(("wechatpy + Flask, gunicorn, 2 workers", [*gunicorn, "wechatpy_app"], work))
    return listed


class Server:
    def __init__(self, name, command, folder, log):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for config in folder.glob("*.conf"):
            config.write_text(config.read_text().replace("PORT", str(self.port)))
        self.name = name
        self.process = subprocess.Popen(
            [part.replace("PORT", str(self.port)) for part in command],
            cwd=folder,
            env={**os.environ, "TOKEN": TOKEN, "NODE_ENV": "production"},
            stdout=log,
            stderr=log,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{name} does not listen")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def drive(generator, server, close, connections, seconds):
    command = [
        generator, "--target", f"http://127.0.0.1:{server.port}/wechat", "--token", TOKEN,
        "--pid", str(server.process.pid), "--connections", str(connections),
        "--seconds", str(seconds), "--repeat", "1", "--json",
    ]
    if close:
        command.append("--close")
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)[0]["figures"]


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release().split('-')[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    work = options.work or pathlib.Path(tempfile.mkdtemp(prefix="wechatd-peers-"))
    work = work.resolve()
    work.mkdir(exist_ok=True)
    install(work)
    generator = artifact(
        ["cargo", "bench", "--no-run", "--bench", "callback", "--message-format=json"], "callback", ROOT
    )
    log = open(work / "servers.log", "wb")
    running = []
    figures = {}
    try:
        for name, command, folder in servers(work):
            running.append(Server(name, command, folder, log))
            drive(generator, running[-1], False, 8, 0.5)
        for turn in range(options.repeat):
            for column, close, connections in COLUMNS:
                for server in running:
                    measured = drive(generator, server, close, connections, options.seconds)
                    figures.setdefault((server.name, column), []).append(measured)
                    print(f"{turn + 1} {column}: {server.name}: {measured['pushes/s']:.0f}/s, failed {measured['failed']:.0f}", file=sys.stderr)
    finally:
        for server in running:
            server.stop()
    table(running, figures)


def table(running, figures):
    def median(name, column, figure):
        return statistics.median(run[figure] for run in figures[name, column])

    def rate(name, column):
        return median(name, column, "pushes/s")

    names = [server.name for server in running]
    ceiling = CEILING if CEILING in names else names[0]
    print(f"{datetime.date.today()}; {machine()}; load generator on the same cores; fractions of {ceiling} in the same run.\n")
    heads = [column for column, _, _ in COLUMNS]
    print(f"| | {' | '.join(heads)} | pushes/s (close, 8) | CPU µs per push | RSS MB |")
    print("|---|" + "---:|" * (len(heads) + 3))
    for name in names:
        cells = [f"{rate(name, column) / rate(ceiling, column):.2f}" for column in heads]
        first = heads[0]
        cpu = median(name, first, "user µs") + median(name, first, "system µs")
        cells += [f"{rate(name, first):.0f}", f"{cpu:.0f}", f"{median(name, heads[-1], 'RSS MB'):.0f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    peers = [name for name in names if name in PEERS]
    if OURS in names and peers:
        cells = []
        for column in heads:
            fastest = max(rate(name, column) for name in peers)
            cells.append(f"{rate(OURS, column) / fastest:.1f}×")
        print(f"| wechatd : fastest peer | {' | '.join(cells)} | | | |")
    failed = {
        (name, column): sum(run["failed"] for run in runs) for (name, column), runs in figures.items()
    }
    for (name, column), count in failed.items():
        if count:
            print(f"\n{name}, {column}: {count:.0f} pushes were not answered 200.")


if __name__ == "__main__":
    main()
