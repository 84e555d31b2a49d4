"""DNS servers whose records change: dnsmasq, and one of our own for what dnsmasq would never do."""

import os
import socket
import struct
import threading
from collections import Counter

from harness import directory, free_port, need, spawn, stop, until

A, CNAME, AAAA = 1, 5, 28
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def question(message):
    """The name in lower case, the type, and where the question ends."""
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels).lower(), struct.unpack("!H", message[at + 1:at + 3])[0], at + 5


def answer(query, records=(), code=0, flags=0x8180):
    """An answer with records of (type, ttl, data), all of the name that was asked for."""
    end = question(query)[2]
    head = query[:2] + struct.pack("!5H", flags | code, 1, len(records), 0, 0) + query[12:end]
    return head + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data for kind, ttl, data in records)


def address(text, ttl=1):
    family, kind = (socket.AF_INET6, AAAA) if ":" in text else (socket.AF_INET, A)
    return kind, ttl, socket.inet_pton(family, text)


def reaches(port, name="alive.test"):
    """Somebody answers there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect(("127.0.0.1", port))
        try:
            client.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + encoded(name) + struct.pack("!2H", A, 1))
            return len(client.recv(512)) > 12
        except OSError:
            return False


class Dnsmasq:
    """`zone` is lines of its configuration. Below `.test` there is nothing else; what it says changes with `change`."""

    def __init__(self, *zone, ttl=1):
        self.port, self.ttl, self.process = free_port(), ttl, None
        self.zone = zone

    def __enter__(self):
        self.start()
        return self

    def start(self):
        file = os.path.join(directory(), f"dnsmasq-{self.port}.conf")
        with open(file, "w") as out:
            out.write("no-resolv\nno-hosts\nno-daemon\nlisten-address=127.0.0.1\nbind-interfaces\nlocal=/test/\npid-file=\n")
            out.write(f"port={self.port}\nlocal-ttl={self.ttl}\nneg-ttl=1\nhost-record=alive.test,127.0.0.9\n")
            out.writelines(f"{line}\n" for line in self.zone)
            if os.geteuid() == 0:
                out.write("user=root\n")
        log = open(os.path.join(directory(), f"dnsmasq-{self.port}.log"), "ab")
        self.process = spawn([need("dnsmasq"), f"--conf-file={file}"], stdout=log, stderr=log)
        if not until(lambda: reaches(self.port), 15):
            raise RuntimeError(f"dnsmasq does not answer: {open(log.name).read()[-1000:]}")

    def stop(self):
        if self.process:
            stop(self.process)
            self.process = None

    def change(self, *zone):
        """It is gone for a moment, as any server may be."""
        self.zone = zone
        self.stop()
        self.start()

    def __exit__(self, *_):
        self.stop()


class Scripted:
    """Answers by `says[name]`: called with the query, its type and whether it came over TCP, it gives the datagrams to send, which may be none.
    Whatever it does not know is NXDOMAIN."""

    def __init__(self):
        self.says, self.asked = {}, Counter()
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.port = free_port()
            try:
                self.udp.bind(("127.0.0.1", self.port))
                self.tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                continue
        self.tcp.listen(64)
        for serve in (self._datagrams, self._streams):
            threading.Thread(target=serve, daemon=True).start()

    def _messages(self, query, tcp):
        name, kind, _ = question(query)
        self.asked[name, kind, "tcp" if tcp else "udp"] += 1
        says = self.says.get(name)
        return says(query, kind, tcp) if says else [answer(query, code=NXDOMAIN)]

    def _datagrams(self):
        while True:
            query, client = self.udp.recvfrom(4096)
            for message in self._messages(query, False):
                self.udp.sendto(message, client)

    def _streams(self):
        while True:
            client, _ = self.tcp.accept()
            with client:
                client.settimeout(5)
                try:
                    length = struct.unpack("!H", client.recv(2, socket.MSG_WAITALL))[0]
                    query = client.recv(length, socket.MSG_WAITALL)
                    for message in self._messages(query, True):
                        client.sendall(struct.pack("!H", len(message)) + message)
                except (OSError, struct.error):
                    pass
