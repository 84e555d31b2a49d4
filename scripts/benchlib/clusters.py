"""What clusters cost: their policies for a request, their memory, and hosts that come and go. nuncio against itself."""

import json
import re
import subprocess
import threading
import time
from contextlib import ExitStack

from . import configs, load, tools
from .processes import Server, StartError, free_port

CLUSTERS, HOSTS_EACH = 100, 10
HOSTS = 5_000
CHANGED = HOSTS // 10  # of them every second
# Longer than other turns: each sees several changes.
CHURN_SECONDS = 4
SETTLE_SECONDS = 2  # longer than a change of the file takes to be seen
MEMORY_SETTLE_SECONDS = 3
REQUESTS = 2_000

HEALTH_CHECK = {"type": "http", "path": "/", "interval": "1s"}


def policies(setup, binary):
    """Like `configs.nuncio`, with all that looks at each request or answer, and finds nothing to do."""
    cluster = {
        "endpoints": [f"127.0.0.1:{setup.upstream_port}"],
        "health_check": HEALTH_CHECK,
        "outlier_detection": {"latency": {}},
        "circuit_breaker": {"retry_budget": {"budget_percent": 20}},
    }
    route = {
        "cluster": "app",
        "retry": {"on": ["connect-failure", "5xx", "reset"], "attempts": 2, "per_try_timeout": "5s"},
        "shadow": {"cluster": "other", "percent": 0},
    }
    other = {"endpoints": [f"127.0.0.1:{setup.upstream_port}"]}
    return run(setup, binary, "nuncio_policies", route, {"app": cluster, "other": other})


def many(setup, binary):
    """One cluster that is used, and the many that are to be weighed."""
    clusters = {"app": {"endpoints": [f"127.0.0.1:{setup.upstream_port}"]}}
    for number in range(CLUSTERS):
        endpoints = [f"127.0.{number}.{host + 1}:{setup.upstream_port}" for host in range(HOSTS_EACH)]
        clusters[f"cluster-{number}"] = {"endpoints": endpoints}
    return run(setup, binary, "nuncio_clusters", {"cluster": "app"}, clusters)


def churning(setup, binary):
    """One cluster whose hosts stand in a file."""
    # More connections than by default: one to each host is kept, so that quiet means that none is opened.
    most = 4 * HOSTS
    breaker = {"max_connections": most}
    cluster = {"discovery": "file", "file": "endpoints.json", "circuit_breaker": breaker, "max_idle_connections": most}
    return run(setup, binary, "nuncio_churn", {"cluster": "app"}, {"app": cluster})


def run(setup, binary, name, route, clusters):
    listener = {"address": f"127.0.0.1:{setup.port}", "routes": [route]}
    config = {"workers": setup.workers, "listeners": [listener], "clusters": clusters}
    return [binary, "run", configs.write(setup.directory / f"{name}.json", json.dumps(config))]


COMMANDS = {"nuncio_policies": policies, "nuncio_clusters": many}


def measure_memory(case, binaries, options, start):
    """Each in a process of its own, after the same requests; `start` is that of the other cases."""
    rounds, failures = [], []
    with ExitStack() as stack:
        upstream = configs.Setup(tools.RUN_DIR, free_port(), 0, 1, 0, 4096)
        server = Server("upstream", configs.upstream(upstream, tools.find("nginx")), upstream.port, tools.RUN_DIR)
        stack.callback(server.stop)
        server.wait_ready()
        for _ in range(options.rounds):
            figures = {}
            for name in binaries:
                try:
                    proxy, figures[name] = start(name, case, binaries, upstream.port)
                    load.requests(case, proxy.port, REQUESTS)
                    time.sleep(MEMORY_SETTLE_SECONDS)
                    figures[name]["rss_after_load_mib"] = proxy.memory_mib()[0]
                    proxy.stop()
                except (OSError, StartError) as error:
                    failures.append(f"{case.name}: {name}: {error}")
            if {"nuncio", "nuncio_clusters"} <= figures.keys():
                more = figures["nuncio_clusters"]["rss_after_load_mib"] - figures["nuncio"]["rss_after_load_mib"]
                figures["nuncio_clusters"]["more_mib"] = more
            rounds.append(figures)
    return {"rounds": rounds, "failures": failures}


def measure_pick(case, _binaries, options):
    """Nanoseconds of a pick among a thousand hosts, as examples/pick.rs measures them."""
    rounds, failures = [], []
    command = ["cargo", "run", "--quiet", "--locked", "--release", "--example", "pick"]
    for _ in range(options.rounds):
        try:
            done = subprocess.run(command, cwd=tools.ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=900)
        except (OSError, subprocess.SubprocessError) as error:
            return {"rounds": rounds, "failures": [f"{case.name}: {error}"]}
        rows = re.findall(r"(?m)^(\S+) +1000 +([\d.]+)", done.stdout)
        figures = {f"{policy}_ns": float(ns) for policy, ns in rows}
        if missing := [metric for metric in case.metrics if metric not in figures]:
            failures.append(f"{case.name}: no figure for {missing}")
        rounds.append({"nuncio": {metric: figures[metric] for metric in case.metrics if metric in figures}})
    return {"rounds": rounds, "failures": failures}


def measure_churn(case, binaries, options):
    """The same process and load, quiet and with hosts that come and go, in turn."""
    rounds, failures = [], []
    with ExitStack() as stack:
        upstream = configs.Setup(tools.RUN_DIR, free_port(), 0, 1, 0, 4 * HOSTS)
        server = Server("upstream", everywhere(upstream), upstream.port, tools.RUN_DIR)
        stack.callback(server.stop)
        server.wait_ready()
        hosts = Endpoints(upstream.port)
        setup = configs.Setup(tools.RUN_DIR, free_port(), upstream.port, case.workers, 0, 0)
        proxy = Server("nuncio_churn", churning(setup, binaries["nuncio"]), setup.port, tools.RUN_DIR)
        stack.callback(proxy.stop)
        proxy.wait_ready()
        try:
            wait_for_hosts(case, proxy.port)
            load.run(case, proxy.port, CHURN_SECONDS)  # afterwards there is a connection to every host
            for number in range(options.rounds):
                figures = {}
                # The one or the other first, by turns: what happens to the machine meanwhile happens to both.
                for changing in ((None, hosts), (hosts, None))[number % 2]:
                    # Not counted: whatever the half before has left behind, there is a connection to every host again.
                    load.run(case, proxy.port, SETTLE_SECONDS)
                    figures[changing] = turn(case, proxy, changing)
                quiet, churn = figures[None], figures[hosts]
                rounds.append({"nuncio": quiet, "nuncio_churn": churn})
                said = [f"{figures['requests']} requests, p99 {figures['p99_us']:.0f} us" for figures in (quiet, churn)]
                print(f"   round {number + 1} quiet: {said[0]}; {churn['changes']} changes: {said[1]}", flush=True)
        except OSError as error:
            failures.append(f"{case.name}: {error}; {proxy.log_tail()}")
    for number, figures in enumerate(rounds):
        for name, row in figures.items():
            if any(row["errors"].values()):
                failures.append(f"{case.name}: round {number + 1}: {name}: {row['errors']} of {row['requests']} requests")
        if figures["nuncio_churn"]["changes"] < CHURN_SECONDS - 1:
            failures.append(f"{case.name}: round {number + 1}: only {figures['nuncio_churn']['changes']} changes")
    return {"rounds": rounds, "failures": failures}


def wait_for_hosts(case, port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return load.requests(case, port, 3)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def turn(case, proxy, hosts):
    ending, changer = threading.Event(), None
    before, changes = proxy.cpu_seconds(), hosts.changes if hosts else 0
    if hosts:
        changer = threading.Thread(target=hosts.keep_changing, args=(ending,))
        changer.start()
    try:
        counted = load.run(case, proxy.port, CHURN_SECONDS)
    finally:
        ending.set()
        if changer:
            changer.join()
    if not proxy.alive():
        raise OSError("died under load")
    figures = {key: counted[key] for key in ("requests", "errors", "p50_us", "p99_us")}
    figures["requests_per_second"] = counted["requests"] / counted["seconds"]
    figures["cpu_us_per_request"] = (proxy.cpu_seconds() - before) * 1e6 / counted["requests"]
    figures["rss_after_load_mib"], _ = proxy.memory_mib()
    return figures | ({"changes": hosts.changes - changes} if hosts else {})


def everywhere(setup):
    """An nginx that all addresses of the loopback network lead to, and no other."""
    body = f"""
    keepalive_requests {configs.ENDLESS};
    server {{
        listen 0.0.0.0:{setup.port} backlog=4096;
        allow 127.0.0.0/8;
        deny all;
        default_type text/plain;
        location / {{ return 200 "ok\\n"; }}
    }}"""
    return configs.nginx_command(setup, tools.find("nginx"), "upstream", configs.nginx_http(setup, "upstream", body))


class Endpoints:
    """The file of endpoints: a window on twice as many addresses that moves on by a tenth."""

    def __init__(self, port):
        self.path = tools.RUN_DIR / "endpoints.json"
        self.addresses = [f"127.1.{n // 250}.{n % 250 + 1}:{port}" for n in range(2 * HOSTS)]
        self.first = self.changes = 0
        self.write()

    def write(self):
        chosen = [self.addresses[(self.first + n) % len(self.addresses)] for n in range(HOSTS)]
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"endpoints": chosen}))
        new.rename(self.path)

    def keep_changing(self, ending):
        while not ending.wait(1):
            self.first += CHANGED
            self.write()
            self.changes += 1
