"""Runs nuncio for one script: free ports, readiness without sleeping for luck, PASS and FAIL lines, an end in time.

A script is `harness.run(main, seconds=60)`: it exits 1 when a check failed or none was made, and when time is up.
Only processes started here are ended here, by their ids.
"""

import atexit
import glob
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
BINARY = os.environ.get("NUNCIO") or os.path.join(TARGET, "debug", "nuncio")
VENV = os.path.join(TARGET, "interop", "venv")
NODE_MODULES = os.path.join(TARGET, "interop", "node_modules")
TOOLS = os.path.join(TARGET, "tools")

_passed = 0
_failed = 0
_processes = []


# ---- checks ---------------------------------------------------------------------------------------------------------

def check(claim, holds, detail=""):
    """Counts and prints one claim. `detail` says what was seen when it does not hold."""
    global _passed, _failed
    if holds:
        _passed += 1
        print(f"PASS {claim}", flush=True)
    else:
        _failed += 1
        print(f"FAIL {claim}{': ' if detail != '' else ''}{detail}", flush=True)
    return bool(holds)


def equal(claim, seen, expected):
    return check(claim, seen == expected, f"{seen!r}, expected {expected!r}")


def figure(name, value):
    """A number worth knowing that is no claim."""
    print(f"     {name}: {value}", flush=True)


class OutOfTime(Exception):
    pass


def run(main, seconds):
    """The whole script: `main()` within `seconds`."""
    def alarm(_signal, _frame):
        raise OutOfTime(f"not done after {seconds} s")

    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(int(seconds * float(os.environ.get("INTEROP_PATIENCE", "1"))))
    try:
        main()
    except Exception as error:  # whatever it is, it is a failure of this script and is shown
        traceback.print_exc()
        check("the script runs to its end", False, f"{type(error).__name__}: {error}")
    signal.alarm(0)
    stop_all()
    if _passed + _failed == 0:
        check("the script makes a check", False)
    remove_directory()
    sys.stdout.flush()
    # Threads of peers may still sit in accept(): nothing to wait for.
    os._exit(1 if _failed else 0)


def until(condition, seconds=10, every=0.02):
    """Waits for `condition()` to be true; says whether it became so."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            return value
        time.sleep(every)


# ---- processes ------------------------------------------------------------------------------------------------------

def need(tool):
    """The path of a program. There is no skipping: without it the script fails."""
    path = shutil.which(tool) or shutil.which(tool, path=f"/usr/sbin:/sbin:/usr/local/sbin:/usr/local/go/bin:{VENV}/bin")
    if path is None:
        raise RuntimeError(f"{tool} is missing: scripts/test says how to install it")
    return path


def need_tool(path):
    """The path of a program that scripts/test builds below target/tools."""
    path = os.path.join(TOOLS, path)
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is missing: scripts/test builds it")
    return path


def go_program(name):
    """The path of a program of interop/lib/go, built now."""
    program = os.path.join(TOOLS, "bin", name)
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go")
    subprocess.run([need("go"), "build", "-o", program, f"./{name}"], cwd=source, check=True, timeout=150)
    return program


def python_packages():
    """Lets this process import what scripts/test installs into the virtual environment."""
    if not any(path.startswith(VENV) for path in sys.path):
        sys.path.extend(glob.glob(os.path.join(VENV, "lib", "python3*", "site-packages")))


def spawn(command, **options):
    """Starts a program that ends with this script."""
    process = subprocess.Popen(command, **options)
    _processes.append(process)
    return process


def checks_of(command, seconds, least):
    """Runs a program that prints PASS and FAIL lines of its own, and counts them here as they come; at least so many."""
    errors = tempfile.TemporaryFile()
    process = spawn(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    end = threading.Timer(seconds, process.kill)
    end.start()
    lines = 0
    for line in process.stdout:
        verdict, _, claim = line.rstrip("\n").partition(" ")
        if verdict in ("PASS", "FAIL"):
            check(claim, verdict == "PASS")
            lines += 1
    status = process.wait(10)
    end.cancel()
    errors.seek(0)
    check(f"{os.path.basename(command[0])} ran to its end within {seconds} s", status == 0 and lines >= least,
          f"status {status}, {lines} checks of {least}: {errors.read().decode(errors='replace')[-1500:]}")


def stop(process, seconds=10):
    """Ends one of ours and returns its status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    if process in _processes:
        _processes.remove(process)
    return process.returncode


def stop_all():
    for child in multiprocessing.active_children():
        child.kill()
    for process in list(_processes):
        if process.poll() is None:
            process.kill()
    for process in list(_processes):
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass


_directory = None


def remove_directory():
    if _directory and not os.environ.get("INTEROP_KEEP"):
        shutil.rmtree(_directory, ignore_errors=True)


def clean_up():
    """For a script that is ended from outside."""
    stop_all()
    remove_directory()


atexit.register(clean_up)


def directory():
    """A directory of this script's own, gone at its end."""
    global _directory
    if _directory is None:
        parent = os.path.join(TARGET, "interop", "tmp")
        os.makedirs(parent, exist_ok=True)
        _directory = tempfile.mkdtemp(dir=parent)
    return _directory


def free_port():
    """A port that nobody listens on, below the range that outgoing connections take theirs from."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def rss_kib(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise RuntimeError("no VmRSS")


# ---- nuncio ---------------------------------------------------------------------------------------------------------

def listener(routes, name="web", **keys):
    """A listener on a port of its own."""
    return {"name": name, "address": f"127.0.0.1:{free_port()}", "routes": routes, **keys}


def config(routes, clusters, **keys):
    """One listener `web`, clusters as a dictionary of lists of ports or of whole clusters."""
    listener_keys = {name: keys.pop(name) for name in ("http",) if name in keys} | keys.pop("listener", {})
    return {
        "workers": keys.pop("workers", 2),
        "drain_time": keys.pop("drain_time", "5s"),
        "admin": {"address": f"127.0.0.1:{free_port()}"},
        **keys,
        "listeners": [listener(routes, **listener_keys)],
        "clusters": {
            name: cluster if isinstance(cluster, dict) else {"endpoints": [f"127.0.0.1:{port}" for port in cluster]}
            for name, cluster in clusters.items()
        },
    }


class Nuncio:
    """`with Nuncio(config) as proxy:` runs `nuncio run FILE` until the block ends, which must go well."""

    def __init__(self, config, expect_exit=True, limit_files=None, arguments=()):
        self.config = config
        self.expect_exit = expect_exit
        self.file = os.path.join(directory(), f"nuncio-{random.getrandbits(32):08x}.json")
        self.log = self.file.replace(".json", ".log")
        self.limit_files = limit_files
        self.arguments = list(arguments)
        self.process = None

    def __enter__(self):
        self.write(self.config)
        command = [BINARY, "run", self.file, *self.arguments]
        if self.limit_files:
            command = ["bash", "-c", f'ulimit -n {self.limit_files} && exec "$@"', "limited", *command]
        with open(self.log, "ab") as log:
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_ready()
        return self

    def __exit__(self, kind, _value, _traceback):
        if self.process is None:
            return
        gone = self.process.poll()
        status = stop(self.process)
        panics = self.log_text().count("panicked at")
        if kind is not None or gone is not None and self.expect_exit or panics:
            sys.stdout.flush()
            print(f"---- nuncio's log ----\n{self.log_text()[-4000:]}----", file=sys.stderr, flush=True)
        if self.expect_exit and kind is None:
            check("nuncio ran to the end and left with status 0, no panic in its log",
                  gone is None and status == 0 and panics == 0, f"gone before: {gone}, status {status}, panics {panics}")

    def write(self, config):
        """Replaces the configuration file as an editor does: the reader sees the old or the new one."""
        text = config if isinstance(config, (str, bytes)) else json.dumps(config, indent=2)
        data = text.encode() if isinstance(text, str) else text
        with open(self.file + ".new", "wb") as new:
            new.write(data)
        os.replace(self.file + ".new", self.file)

    def wait_ready(self, seconds=20):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"nuncio left with {self.process.returncode}:\n{self.log_text()[-4000:]}")
            try:
                return self.admin("/ready")[0] == 200
            except OSError:
                return False

        if not until(ready, seconds):
            raise RuntimeError(f"nuncio is not ready after {seconds} s:\n{self.log_text()[-4000:]}")

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return self.port_of("web")

    def port_of(self, name):
        for listener in self.config["listeners"]:
            if listener["name"] == name:
                return int(listener["address"].rsplit(":", 1)[1])
        raise KeyError(name)

    @property
    def admin_port(self):
        return int(self.config["admin"]["address"].rsplit(":", 1)[1])

    def admin(self, path, method="GET", headers={}):
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def stat(self, name):
        """A counter or gauge; 0 while it does not exist."""
        for line in self.admin("/stats")[1].splitlines():
            key, _, value = line.partition(": ")
            if key == name:
                return int(value)
        return 0

    def signal(self, number):
        self.process.send_signal(number)

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def rss_kib(self):
        return rss_kib(self.pid)
