"""The order of measuring: A B C D A B C D ..., so that what happens to the machine happens to all of them.

For the same reason a round is made of turns of one second, A B C D A B C D A B C D, and not of one long one each.
"""

import subprocess
import time
from contextlib import ExitStack
from statistics import median

from . import clusters, configs, layer4, load, tools
from .cases import IDLE_CONNECTIONS, MIB
from .idle import IdleConnections, IdleH2Connections, IdleTlsConnections
from .processes import Server, StartError, file_limit, free_port, machine_cpu_seconds, own_cpu_seconds

TURN_SECONDS = 1
SETTLE_SECONDS = 0.5
WARM_UP_REQUESTS = 500


def run(case, binaries, options):
    """{"rounds": [{proxy: figures}], "failures": [text]}. A proxy that fails is left out of the later rounds."""
    binaries = {name: path for name, path in binaries.items() if case.concerns(name)}
    for name in case.variants:
        if configs.VARIANTS[name] in binaries:
            binaries[name] = binaries[configs.VARIANTS[name]]
    measure = MEASURES[case.kind]
    return measure(case, binaries, options)


def idle_connections():
    """As many as asked for; fewer where the open-file limit is small (HAProxy wants two descriptors for each)."""
    return min(IDLE_CONNECTIONS, (file_limit() - 400) // 2 - 100)


def start(name, case, binaries, upstream_port):
    """Starts a proxy and makes sure that it answers this case; also its memory before the first request."""
    # Connections are memory in nginx and HAProxy: as many as the case needs, and some.
    limit = idle_connections() + 200 if case.kind == "idle" else 1024
    if case.client == "datagrams":
        limit = 4096  # nobody closes a session: those of earlier turns are there for a minute
    setup = proxy_setup(case, upstream_port, limit)
    server = Server(name, command(name, setup, binaries[name]), setup.port, tools.RUN_DIR)
    server.wait_ready(datagrams=case.client == "datagrams")
    time.sleep(SETTLE_SECONDS)
    rss, pss = server.memory_mib()
    try:
        load.requests(case, server.port, 3)
    except (OSError, subprocess.TimeoutExpired) as error:
        server.stop()
        raise StartError(f"{name}: {error}; {server.log_tail()}") from error
    return server, {"rss_idle_mib": rss, "pss_idle_mib": pss}


def command(name, setup, binary):
    commands = layer4.COMMANDS if setup.client in ("bytes", "datagrams") else configs.COMMANDS | clusters.COMMANDS
    return commands[name](setup, binary)


def proxy_setup(case, upstream_port, limit):
    return configs.Setup(
        tools.RUN_DIR,
        free_port(),
        upstream_port,
        case.workers,
        case.routes,
        limit,
        case.client,
        case.upstream,
        tools.certificate() if case.tls else None,
    )


def start_upstream(stack, case):
    setup = configs.Setup(tools.RUN_DIR, free_port(), 0, 1, 0, 4096, upstream=case.upstream)
    if case.upstream == "grpc":
        words = configs.grpc_upstream(setup, tools.grpc_server())
    elif case.upstream == "bytes":
        words = layer4.upstream(setup, tools.l4load())
    elif case.upstream == "datagrams":
        words = layer4.udp_upstream(setup, tools.udp_load())
    else:
        words = configs.upstream(setup, tools.find("nginx"))
    server = Server("upstream", words, setup.port, tools.RUN_DIR)
    stack.callback(server.stop)
    server.wait_ready(datagrams=case.upstream == "datagrams")
    return setup.port


def measure_load(case, binaries, options):
    rounds, failures, servers, idle = [], [], {}, {}
    with ExitStack() as stack:
        upstream_port = start_upstream(stack, case)
        for name in binaries:
            try:
                servers[name], idle[name] = start(name, case, binaries, upstream_port)
                stack.callback(servers[name].stop)
                load.run(case, servers[name].port, TURN_SECONDS)
            except (OSError, subprocess.TimeoutExpired, StartError) as error:
                failures.append(f"{case.name}: {error}")
                servers.pop(name, None)
        for number in range(options.rounds):
            turns = {name: [] for name in servers}
            for _ in range(options.seconds):
                for name in list(servers):
                    try:
                        turns[name].append(one_turn(servers[name], case))
                    except (OSError, subprocess.TimeoutExpired) as error:
                        failures.append(f"{case.name}: round {number + 1}: {name}: {error}; {servers[name].log_tail()}")
                        servers.pop(name)
            rounds.append({name: idle[name] | one_round(case, turns[name]) for name in servers})
            for name, figures in rounds[-1].items():
                print(progress(number, name, figures), flush=True)
    return {"rounds": rounds, "failures": failures + failed_requests(case, rounds)}


def one_turn(server, case):
    """One second of load: the driver's counts, the CPU time of the proxy, and how much of the machine others used."""
    started = time.monotonic()
    before = server.cpu_seconds(), machine_cpu_seconds(), own_cpu_seconds()
    counted = load.run(case, server.port, TURN_SECONDS)
    after = server.cpu_seconds(), machine_cpu_seconds(), own_cpu_seconds()
    cpu, machine, own = (then - now for now, then in zip(before, after))
    if not server.alive():
        raise OSError("died under load")
    if not counted["requests"]:
        raise OSError(f"no request was answered: {counted['errors']}")
    # By the clock: starting and reading the driver takes longer than the load alone.
    foreign = max(0.0, machine - own) / (time.monotonic() - started)
    return counted | {"cpu_us": cpu * 1e6, "foreign": foreign, "memory": server.memory_mib()}


def one_round(case, turns):
    """The turns of one proxy in one round as one measurement."""

    def total(key):
        return sum(turn[key] for turn in turns)

    rss, pss = turns[-1]["memory"]
    figures = {
        "requests": total("requests"),
        "errors": {kind: sum(turn["errors"][kind] for turn in turns) for kind in turns[0]["errors"]},
        "cores_used": total("cpu_us") / 1e6 / total("seconds"),
        "cores_used_by_others": total("foreign") / len(turns),
        "rss_after_load_mib": rss,
        "pss_after_load_mib": pss,
    }
    if case.work != "stream":
        figures["cpu_us_per_request"] = total("cpu_us") / total("requests")
        figures["requests_per_second"] = total("requests") / total("seconds")
        figures["p50_us"] = median(turn["p50_us"] for turn in turns)
        figures["p99_us"] = median(turn["p99_us"] for turn in turns)
    if "cpu_us_per_mib" in case.metrics:
        # By bytes, not by requests: so the unfinished responses count too.
        figures["cpu_us_per_mib"] = total("cpu_us") / (total("bytes") / MIB)
        figures["mib_per_second"] = total("bytes") / MIB / total("seconds")
    return figures


def progress(number, name, figures):
    if "cpu_us_per_request" in figures:
        said = f"{figures['cpu_us_per_request']:8.1f} us/request {figures['requests_per_second']:9.0f} requests/s"
    else:
        said = f"{figures['cpu_us_per_mib']:8.1f} us/MiB {figures['mib_per_second']:9.0f} MiB/s"
    return f"   round {number + 1} {name:14} {said}  {sum(figures['errors'].values())} errors"


def failed_requests(case, rounds):
    failures = []
    for number, figures in enumerate(rounds):
        for name, row in figures.items():
            if any(row["errors"].values()):
                where = f"{case.name}: round {number + 1}: {name}"
                failures.append(f"{where}: {row['errors']} of {row['requests']} requests")
    return failures


def measure_idle(case, binaries, options):
    """A fresh process each time: memory that was once taken is seldom given back."""
    rounds, failures, left = [], [], list(binaries)
    with ExitStack() as stack:
        upstream_port = start_upstream(stack, case)
        for number in range(options.rounds):
            figures = {}
            for name in list(left):
                try:
                    figures[name] = idle_round(name, case, binaries, upstream_port)
                    kept = figures[name]["bytes_per_idle_connection"]
                    print(f"   round {number + 1} {name:8} {kept:8.0f} bytes a connection", flush=True)
                except (OSError, StartError) as error:
                    failures.append(f"{case.name}: {name}: {error}")
                    left.remove(name)
            rounds.append(figures)
    return {"rounds": rounds, "failures": failures}


def idle_round(name, case, binaries, upstream_port):
    count = idle_connections()
    server, idle = start(name, case, binaries, upstream_port)
    kind = IdleH2Connections if case.client == "h2" else IdleTlsConnections if case.tls else IdleConnections
    held = kind(server.port)
    try:
        # Code is paged in by the first requests; that is not the price of a connection.
        if held.open(1):
            raise OSError(f"{name}: refused a connection: {server.log_tail()}")
        for _ in range(WARM_UP_REQUESTS):
            held.request(held.sockets[0])
        warm, _ = server.memory_mib()
        failed = held.open(count)
        time.sleep(SETTLE_SECONDS)
        full, _ = server.memory_mib()
        failed += held.lost()
        if failed:
            raise OSError(f"{name}: {failed} of {count} connections refused or closed: {server.log_tail()}")
    finally:
        held.close()
        server.stop()
    return idle | {
        "rss_warm_mib": warm,
        "rss_full_mib": full,
        "connections": count,
        "bytes_per_idle_connection": (full - warm) * MIB / count,
    }


def measure_size(case, binaries, _options):
    figures = {name: {"binary_mib": tools.stripped_size(binary) / MIB} for name, binary in binaries.items()}
    failures = []
    if "nuncio" in figures:
        try:
            figures["nuncio"].update(tools.crate_counts())
        except (OSError, subprocess.CalledProcessError) as error:
            failures.append(f"{case.name}: cargo tree: {getattr(error, 'stderr', '') or error}")
    return {"rounds": [figures], "failures": failures}


def measure_memory(case, binaries, options):
    return clusters.measure_memory(case, binaries, options, start)


MEASURES = {
    "load": measure_load,
    "idle": measure_idle,
    "size": measure_size,
    "memory": measure_memory,
    "churn": clusters.measure_churn,
    "pick": clusters.measure_pick,
}
