"""Instructions per request: repeatable where times are not, and a profile to look at."""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack

from . import load, tools
from .processes import Server, StartError
from .rounds import command, proxy_setup, start_upstream

# Two runs that differ only in the number of requests: the difference is free of start-up and shut-down.
FEW, MANY = 500, 2500


def run(case, options):
    """Prints the instructions of one request of nuncio (or of another single-process proxy, if only that is chosen)."""
    name = "nuncio" if "nuncio" in options.proxies else options.proxies[0]
    tools.require(["valgrind"])
    tools.prepare_load([case])
    if name == "nuncio" and not options.binary:
        # The release build with its symbols, kept apart so that the measured binary is never this one.
        keep = {"CARGO_PROFILE_RELEASE_STRIP": "none", "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only"}
        binary = tools.build_nuncio(keep, tools.TARGET / "callgrind")
    else:
        binary = tools.prepare([name], options.binary)[0].get(name)
    if not binary:
        sys.exit(f"bench: no binary of {name}")
    signal.alarm(600)
    tools.RUN_DIR.mkdir(parents=True, exist_ok=True)
    output = tools.TARGET / "bench" / f"callgrind.{name}.{case.name}"
    try:
        few, many = (count(name, binary, case, requests, f"{output}.{requests}") for requests in (FEW, MANY))
    except (OSError, StartError, subprocess.TimeoutExpired) as error:
        print(f"bench: FAILED {name}: {error}", file=sys.stderr)
        return 1
    print(f"{name} {case.name}: {(many - few) / (MANY - FEW):,.0f} instructions per request (one connection at a time)")
    print(f"look with: callgrind_annotate {os.path.relpath(output)}.{MANY}")
    return 0


def count(name, binary, case, requests, output):
    """All instructions of one process that serves so many requests."""
    with ExitStack() as stack:
        upstream_port = start_upstream(stack, case)
        setup = proxy_setup(case, upstream_port, 1024)
        valgrind = [tools.find("valgrind"), "--tool=callgrind", f"--callgrind-out-file={output}"]
        words = valgrind + command(name, setup, binary)
        server = Server(name, words, setup.port, tools.RUN_DIR)
        stack.callback(server.stop)
        server.wait_ready(120, datagrams=case.client == "datagrams")
        load.requests(case, server.port, requests)
        # A proxy may drain first; valgrind writes its profile when the program has ended.
        server.stop(patience=60)
        found = re.search(r"Collected : (\d+)", server.log.read_text(errors="replace"))
        if not found:
            raise OSError(f"no count from valgrind: {server.log_tail()}")
        return int(found[1])
