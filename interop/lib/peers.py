"""HTTP/1.1 by hand on both sides, so that a test can send and do what no library lets it: a client that notices every
truncation, and an upstream whose behaviour is one function per connection."""

import collections
import hashlib
import json
import re
import socket
import struct
import threading

Request = collections.namedtuple("Request", "method target version headers body raw trailers")


class Closed(Exception):
    """The peer closed between two messages."""


class Truncated(Exception):
    """The peer closed, or broke the framing, within a message."""


class Wire:
    """A socket and what was read ahead on it."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def fill(self):
        try:
            data = self.sock.recv(262144)
        except ConnectionError as error:
            raise Truncated("reset") from error
        self.buffer += data
        return bool(data)

    def until(self, end, what):
        start = 0
        while (at := self.buffer.find(end, start)) < 0:
            start = max(0, len(self.buffer) - len(end) + 1)
            between = not self.buffer and what == "head"
            try:
                more = self.fill()
            except Truncated:
                if between:
                    raise Closed() from None
                raise
            if not more:
                raise Closed() if between else Truncated(what)
        taken, self.buffer = self.buffer[:at + len(end)], self.buffer[at + len(end):]
        return taken

    def exactly(self, length, what):
        parts, have = [self.buffer[:length]], min(length, len(self.buffer))
        self.buffer = self.buffer[length:]
        while have < length:
            try:
                data = self.sock.recv(min(1 << 18, length - have))
            except ConnectionError as error:
                raise Truncated("reset") from error
            if not data:
                raise Truncated(what)
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def head(self):
        """Start line and fields, names in lower case."""
        raw = self.until(b"\r\n\r\n", "head")
        lines = raw[:-4].split(b"\r\n")
        fields = [(n.strip().lower().decode("latin-1"), v.strip().decode("latin-1"))
                  for n, _, v in (line.partition(b":") for line in lines[1:])]
        return raw, lines[0].decode("latin-1"), fields

    def chunked(self):
        """Body and trailers, and all of it as it came."""
        parts, raw = [], []
        while True:
            line = self.until(b"\r\n", "chunk size")
            raw.append(line)
            if not re.fullmatch(rb"[0-9a-fA-F]+(;[^\r\n]*)?\r\n", line):
                raise Truncated(f"bad chunk size {line!r}")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            data = self.exactly(size + 2, "chunk")
            if data[-2:] != b"\r\n":
                raise Truncated("no line end after a chunk")
            raw.append(data)
            parts.append(data[:-2])
        trailers = []
        while (line := self.until(b"\r\n", "trailers")) != b"\r\n":
            raw.append(line)
            trailers.append(line[:-2])
        raw.append(b"\r\n")
        return b"".join(parts), trailers, b"".join(raw)


def values(headers, name):
    return [value for key, value in headers if key == name]


def value(headers, name, default=None):
    found = values(headers, name)
    return found[0] if found else default


def pattern(length):
    """Bytes that are different everywhere, so that lost, doubled and moved ones show."""
    return (BLOCK * (length // len(BLOCK) + 1))[:length]


BLOCK = b"".join(struct.pack(">I", n) for n in range(16384))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ---- a client -------------------------------------------------------------------------------------------------------

class Response:
    def __init__(self, status, headers, body, version, trailers=()):
        self.status, self.headers, self.body, self.version, self.trailers = status, headers, body, version, trailers

    def header(self, name, default=None):
        return value(self.headers, name, default)

    def __repr__(self):
        return f"<{self.status} {len(self.body)} bytes>"


class Client:
    """One connection, from the loopback address `source`: any of 127.0.0.0/8, or ::1, which connects to ::1."""

    def __init__(self, port, timeout=10, receive_buffer=None, source=None):
        v6 = source is not None and ":" in source
        self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(("::1" if v6 else "127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Wire(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def response(self, method="GET", interim=None):
        """The next final response; a list `interim` collects the 1xx before it."""
        while True:
            _, line, headers = self.wire.head()
            version, status = line.split(" ")[:2]
            status = int(status)
            if status >= 200 or status == 101:
                break
            if interim is not None:
                interim.append(status)
        trailers = []
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif "chunked" in value(headers, "transfer-encoding", "").lower():
            body, trailers, _ = self.wire.chunked()
        elif (length := value(headers, "content-length")) is not None:
            body = self.wire.exactly(int(length), "body")
        else:
            body = self.rest()
        return Response(status, headers, body, version, trailers)

    def request(self, raw, method="GET"):
        self.send(raw)
        return self.response(method)

    def get(self, target="/", headers=""):
        return self.request(f"GET {target} HTTP/1.1\r\nHost: test.example\r\n{headers}\r\n".encode())

    def rest(self):
        """Everything up to the peer's close."""
        parts = [self.wire.buffer]
        self.wire.buffer = b""
        while True:
            try:
                data = self.sock.recv(262144)
            except ConnectionError as error:
                raise Truncated("reset") from error
            if not data:
                return b"".join(parts)
            parts.append(data)

    def is_closed(self, seconds=5):
        """Whether the peer closes within this time; what it sends before is passed over."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


# ---- an upstream ----------------------------------------------------------------------------------------------------

class Upstream:
    """Listens on a port; `serve(peer)` runs in a thread for each connection, which closes when it returns."""

    def __init__(self, serve, receive_buffer=None):
        self.serve = serve
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.open = 0
        self.lock = threading.Lock()
        self.errors = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.serve(Peer(sock))
        except (Closed, OSError):
            pass
        except Truncated as error:
            self.errors.append(str(error))
        finally:
            with self.lock:
                self.open -= 1
            sock.close()

    def close(self):
        # shutdown wakes the accepting thread
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Peer:
    """What an upstream has of the proxy: one connection, requests read one at a time."""

    def __init__(self, sock):
        self.sock = sock
        self.wire = Wire(sock)
        self.count = 0

    def head(self):
        raw, line, headers = self.wire.head()
        method, target, version = line.split(" ")
        self.count += 1
        return Request(method, target, version, headers, None, raw, [])

    def request(self):
        request = self.head()
        if values(request.headers, "transfer-encoding"):
            body, trailers, raw = self.wire.chunked()
        else:
            body = raw = self.wire.exactly(int(value(request.headers, "content-length", "0")), "body")
            trailers = []
        return request._replace(body=body, raw=request.raw + raw, trailers=trailers)

    def send(self, data):
        self.sock.sendall(data)

    def reply(self, body=b"ok\n", status="200 OK", headers=""):
        if isinstance(body, str):
            body = body.encode()
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def echo(peer):
    """Answers each request with what came, as JSON; /bytes/N and /chunked/N with N bytes of `pattern`."""
    while True:
        request = peer.head()
        if value(request.headers, "expect", "").lower() == "100-continue":
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest, length = hashlib.sha256(), 0
        trailers = []
        if values(request.headers, "transfer-encoding"):
            body, trailers, _ = peer.wire.chunked()
            digest.update(body)
            length = len(body)
        else:
            left = int(value(request.headers, "content-length", "0"))
            while left:
                data = peer.wire.exactly(min(left, 1 << 20), "body")
                digest.update(data)
                length += len(data)
                left -= len(data)
        form, _, size = request.target.lstrip("/").partition("/")
        if request.method == "HEAD":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-Method: HEAD\r\n\r\n")
        elif form == "bytes":
            peer.reply(pattern(int(size)))
        elif form == "chunked":
            data = pattern(int(size))
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(data), 50000):
                part = data[at:at + 50000]
                peer.send(b"%x\r\n%s\r\n" % (len(part), part))
            peer.send(b"0\r\n\r\n")
        elif form == "status":
            peer.send(f"HTTP/1.1 {size} Status\r\n".encode()
                      + (b"\r\n" if size in ("204", "304") else b"Content-Length: 0\r\n\r\n"))
        else:
            seen = {"method": request.method, "target": request.target, "version": request.version,
                    "headers": request.headers, "length": length, "sha256": digest.hexdigest(),
                    "trailers": [line.decode("latin-1") for line in trailers]}
            peer.reply(json.dumps(seen), headers="Content-Type: application/json\r\n")
