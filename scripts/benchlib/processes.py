"""Starts and stops programs, each in a session of its own, and reads what a whole session used from /proc.

Nothing outlives the script: sessions are ended at exit and on signals; should the script itself be killed, the kernel
ends the programs (PR_SET_PDEATHSIG).
"""

import atexit
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
START_SECONDS = 20
LIBC = ctypes.CDLL(None)  # loaded here: a child between fork and exec should not
running = []
used_ports = set()


class StartError(Exception):
    """A program that did not start or did not answer; the text says which and why."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def raise_file_limit():
    """The limit is inherited by everything that is started."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def file_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def clean_up_on_exit():
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)

    def leave(number, _frame):
        for other in numbers:  # the clean-up is bounded; nothing shall interrupt it
            signal.signal(other, signal.SIG_IGN)
        sys.exit(f"bench: ended by {signal.Signals(number).name}")

    atexit.register(stop_all)
    for number in numbers:
        signal.signal(number, leave)


def stop_all():
    for server in list(running):
        server.stop()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in used_ports:
            used_ports.add(port)
            return port


def machine_cpu_seconds():
    """What all programs and the kernel used since boot, on all cores."""
    with open("/proc/stat") as lines:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, lines.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_cpu_seconds():
    """What this script, its ended children (wrk) and the servers it runs used."""
    ended, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    here = ended.ru_utime + ended.ru_stime + own.ru_utime + own.ru_stime
    return here + sum(server.cpu_seconds() for server in running)


class Server:
    """One started program with all its processes."""

    def __init__(self, name, command, port, directory):
        self.name, self.port = name, port
        self.log = Path(directory) / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        running.append(self)

    def wait_ready(self, seconds=START_SECONDS, datagrams=False):
        """Returns when the port takes connections, or sends a datagram back; raises StartError with the end of the log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive():
                status = self.process.returncode
                self.stop()
                raise StartError(f"{self.name}: ended at once with status {status}: {self.log_tail()}")
            try:
                if datagrams:
                    self.echo()
                else:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise StartError(f"{self.name}: does not listen after {seconds} s: {self.log_tail()}")

    def echo(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            client.connect(("127.0.0.1", self.port))
            client.send(b"are you there")
            client.recv(100)

    def alive(self):
        return self.process.poll() is None

    def log_tail(self):
        return " | ".join(self.log.read_text(errors="replace").strip().splitlines()[-5:]) or "(nothing logged)"

    def stat_rows(self):
        """Fields of /proc/PID/stat from the third on (man proc), for every process of the session."""
        rows = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue  # ended meanwhile
            fields = text[text.rindex(")") + 2 :].split()
            if int(fields[3]) == self.process.pid:
                rows.append((path.parent, fields))
        return rows

    def cpu_seconds(self):
        """utime + stime + cutime + cstime: user and system time of all processes and of their ended children."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self.stat_rows()) / TICKS

    def memory_mib(self):
        """Resident memory: VmRSS summed over the processes, and Pss, which counts a shared page once."""
        total = {"VmRSS": 0, "Pss": 0}
        for directory, _ in self.stat_rows():
            for file in ("status", "smaps_rollup"):
                for line in (directory / file).read_text().splitlines():
                    key, _, value = line.partition(":")
                    if key in total:
                        total[key] += int(value.split()[0])
        return total["VmRSS"] / 1024, total["Pss"] / 1024

    def signal_all(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, patience=3):
        """A polite signal first, so that an nginx master ends its workers; then without asking."""
        if self in running:
            running.remove(self)
        self.signal_all(signal.SIGTERM)
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            pass
        self.signal_all(signal.SIGKILL)
        self.process.wait(timeout=10)
