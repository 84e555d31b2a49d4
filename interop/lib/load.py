"""A steady load of GETs from a process of its own; every request is kept with its time and with what became of it.

Connections are kept alive as browsers keep them; each sends its next request a pause after the last answer, so that the
load is bounded and a machine that is busy with other things makes it smaller, not wrong.
"""

import collections
import multiprocessing
import os
import random
import re
import selectors
import socket
import time

# Times are of time.monotonic(), which all processes of a machine share. `verdict` is a status, or a word: "truncated",
# "closed", "reset", "wrong body", "no answer", "refused".
Result = collections.namedtuple("Result", "began ended verdict who")

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
WHO = re.compile(rb"(?i)\r\nx-who: *([^\r\n]*)")
PATIENCE = 10


class Load:
    """`with Load(port) as load:` until the block ends; then `load.results` in the order of their ends."""

    def __init__(self, port, target="/", body=None, connections=12, pause=0.004, address="127.0.0.1"):
        self.plan = (address, port, target, body, connections, pause)
        self.results = []

    def __enter__(self):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_generate, args=(other, *self.plan), daemon=True)
        self.process.start()
        other.close()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Lets what is under way end, and fetches the results."""
        if self.process is None:
            return
        self.pipe.send("stop")
        if not self.pipe.poll(PATIENCE + 10):
            raise RuntimeError("the load generator does not end")
        self.results = [Result(*row) for row in self.pipe.recv()]
        self.process.join(5)
        self.process = None

    def between(self, start, end):
        """Those that began in this time."""
        return [one for one in self.results if start <= one.began < end]


def failed(results):
    return [one for one in results if one.verdict != 200]


def verdicts(results):
    return dict(collections.Counter(one.verdict for one in results))


def quantile(results, share):
    """Of the times, in seconds."""
    times = sorted(one.ended - one.began for one in results)
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


class _Connection:
    """Sends one request at a time; `sock` is None while there is none."""

    def __init__(self, address, request, body):
        self.address, self.request, self.body = address, request, body
        self.sock, self.next_at = None, 0.0
        self.rest = b""
        self.began = None

    def begin(self, now, selector):
        """None, or what is wrong."""
        self.rest, self.began = b"", now
        try:
            if self.sock is None:
                self.sock = socket.create_connection(self.address, timeout=PATIENCE)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sock.setblocking(False)
                selector.register(self.sock, selectors.EVENT_READ, self)
            self.sock.send(self.request)
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "reset"
        return None

    def read(self):
        """None while there is more to come, else verdict, who answered, and whether the connection stays."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return None
        except OSError:
            return "truncated" if self.rest else "reset", None, False
        if not data:
            return "truncated" if self.rest else "closed", None, False
        self.rest += data
        head, end, body = self.rest.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else 0):
            return None
        who, status = WHO.search(head), int(head[9:12])
        verdict = "wrong body" if status == 200 and self.body is not None and body != self.body else status
        return verdict, who and who[1].decode(), length is not None and b"connection: close" not in head.lower()

    def close(self, selector):
        if self.sock is not None:
            try:
                selector.unregister(self.sock)
            except KeyError:
                pass
            self.sock.close()
            self.sock = None


def _generate(pipe, address, port, target, body, count, pause):
    request = f"GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    connections = [_Connection((address, port), request, body) for _ in range(count)]
    start = time.monotonic()
    for number, one in enumerate(connections):
        one.next_at = start + pause * number / count
    results, stopping = [], False

    def done(one, verdict, who, stays):
        now = time.monotonic()
        results.append((one.began, now, verdict, who))
        one.began = None
        # Spread evenly, but not in step with each other.
        one.next_at = now + pause * random.uniform(0.8, 1.2)
        if not stays:
            one.close(selector)

    while not (stopping and all(one.began is None for one in connections)):
        now = time.monotonic()
        for one in connections:
            if one.began is None and one.next_at <= now and not stopping:
                wrong = one.begin(now, selector)
                if wrong:
                    done(one, wrong, None, False)
            elif one.began is not None and now - one.began > PATIENCE:
                done(one, "no answer", None, False)
        idle = [one.next_at for one in connections if one.began is None]
        wait = max(0.0, min(idle, default=now + 0.05) - time.monotonic()) if not stopping else 0.05
        for key, _ in selector.select(min(wait, 0.05)):
            outcome = key.data.read()
            if outcome and key.data.began is not None:
                done(key.data, *outcome)
            elif outcome:
                key.data.close(selector)  # the proxy ends a connection at rest
        if not stopping and pipe.poll(0):
            pipe.recv()
            stopping = True
    pipe.send(results)
    pipe.close()
    os._exit(0)
