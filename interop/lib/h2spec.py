"""h2spec against a port of nuncio."""

import re
import subprocess

from harness import equal, need_tool

CASES = 146


def all_pass(name, port, *options):
    """Every case passes. The answers shall be of some KiB: the cases of flow control need something to hold back."""
    command = [need_tool("bin/h2spec"), "generic", "hpack", "http2", "--strict", "--host", "127.0.0.1", "--port", str(port), "--path", "/bytes/5000",
               "--timeout", "3", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    for line in re.findall(r"Failures:.*?(?=Finished|\Z)", said, re.S):
        print(line, flush=True)
    counted = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", said)
    seen = tuple(map(int, counted.groups())) if counted else said[-2000:]
    equal(f"{name}: {CASES} tests, all passed, none skipped, none failed", seen, (CASES, CASES, 0, 0))
    equal(f"{name}: h2spec's own status", done.returncode, 0)
