"""Hosts of one cluster that say who they are (`X-Who`) and go wrong when told to: nginx as it is, and a small server for what nginx cannot do."""

import multiprocessing
import os
import signal
import socket
import time

from harness import directory, need, spawn, stop, until
from peers import Upstream, pattern

BODY = pattern(2000)


class Host:
    """One nginx, one process. GET / is BODY, as is all below /case/; /health is 200. `fail()` makes / a 500, `ail()` makes /health a 503. `inside` is
    put in front of its command."""

    def __init__(self, who, address, port, inside=()):
        self.who, self.address, self.port, self.inside = who, address, port, list(inside)
        self.root = os.path.join(directory(), f"host-{who}-{port}")
        os.makedirs(os.path.join(self.root, "www"), exist_ok=True)
        with open(os.path.join(self.root, "www", "body"), "wb") as out:
            out.write(BODY)
        temp = "".join(f"{kind}_temp_path {self.root}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(self.root, "nginx.conf"), "w") as out:
            out.write(f"""
user root;
daemon off;
master_process off;
pid {self.root}/pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  {temp}
  access_log off;
  server {{
    listen {address}:{port} backlog=4096;
    keepalive_requests 1000000;
    add_header X-Who {who} always;
    root {self.root}/www;
    location = / {{ if (-f {self.root}/failing) {{ return 500 "no\\n"; }} try_files /body =404; }}
    location /case/ {{ try_files /body =404; }}
    location = /health {{ if (-f {self.root}/ailing) {{ return 503 "ill\\n"; }} return 200 "well\\n"; }}
  }}
}}
""")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        stop(self.process)

    def start(self):
        with open(os.path.join(self.root, "log"), "ab") as log:
            self.process = spawn([*self.inside, need("nginx"), "-p", self.root, "-e", "stderr", "-c", "nginx.conf"], stdout=log, stderr=log)
        if not until(self.listens, 15):
            raise RuntimeError(f"host {self.who} does not listen: {open(os.path.join(self.root, 'log')).read()[-1000:]}")

    def listens(self):
        try:
            socket.create_connection((self.address, self.port), 1).close()
            return True
        except OSError:
            return False

    # ---- faults, each with its remedy

    def kill(self):
        self.process.kill()
        self.process.wait(5)

    def quit(self):
        """Cleanly: it takes no more connections and ends those at rest."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def fail(self):
        open(os.path.join(self.root, "failing"), "w").close()

    def recover(self):
        os.remove(os.path.join(self.root, "failing"))

    def ail(self):
        open(os.path.join(self.root, "ailing"), "w").close()

    def get_well(self):
        os.remove(os.path.join(self.root, "ailing"))


class Odd:
    """The same in a process of this script's own, for what nginx cannot do. `be()` says how it is from now on:

    "well"; "slow": answers after a second, also checks; "half": half of an answer, then RST; "reset": RST for an answer; "500".
    `requests` counts those that came, without checks.
    """

    MANNERS = ("well", "slow", "half", "reset", "500")

    def __init__(self, who, address="127.0.0.1"):
        self.who, self.address = who, address
        self.manner = multiprocessing.Value("i", 0)
        self.count = multiprocessing.Value("q", 0)

    def __enter__(self):
        pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self._run, args=(other,), daemon=True)
        self.process.start()
        self.port = pipe.recv()
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.kill()
        self.process.join(5)

    def be(self, manner):
        self.manner.value = self.MANNERS.index(manner)

    @property
    def requests(self):
        return self.count.value

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def _run(self, pipe):
        upstream = Upstream(self._serve)
        pipe.send(upstream.port)
        signal.pause()

    def _serve(self, peer):
        who = f"X-Who: {self.who}\r\n"
        while True:
            request = peer.request()
            manner = self.MANNERS[self.manner.value]
            check = request.target == "/health"
            if not check:
                with self.count.get_lock():
                    self.count.value += 1
            if manner == "slow":
                time.sleep(1)
            if check:
                peer.reply(b"well\n", headers=who)
            elif manner == "half":
                peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n{who}\r\n".encode() + BODY[:len(BODY) // 2])
                time.sleep(0.01)  # what was sent has been read when the reset comes: this is what is tested
                return peer.reset()
            elif manner == "reset":
                return peer.reset()
            elif manner == "500":
                peer.reply(b"no\n", "500 Broken", who)
            else:
                peer.reply(BODY, headers=who)
