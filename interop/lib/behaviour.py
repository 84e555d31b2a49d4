"""One upstream that answers alike over HTTP/1.1 (peers.py) and HTTP/2 (h2peer.py), so that a check holds for both:

/bytes/N           N bytes of `pattern`, with a length         /early        413 before the request's body ends
/stream/N          N bytes, without a length, with a trailer   /hints        103 before the answer
/cut/N             N bytes of a body that goes on, then gone    /wait         nothing until the proxy gives the request up
/status/N          only a head                                  /cookies      three set-cookie fields
any other          what came, as JSON
"""

import json
import threading

from peers import Truncated, Upstream, pattern, sha256, values


class H1Exchange:
    """One request on an HTTP/1.1 connection, as Stream has it for HTTP/2."""

    def __init__(self, peer, request):
        self.peer, self.method, self.target, self.headers = peer, request.method, request.target, request.headers
        self.chunked = False

    def receive(self):
        wire = self.peer.wire
        if ("expect", "100-continue") in self.headers:
            self.peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if values(self.headers, "transfer-encoding"):
            body, lines, _ = wire.chunked()
            return body, [tuple(part.strip().decode("latin-1") for part in line.split(b":", 1)) for line in lines]
        return wire.exactly(int((values(self.headers, "content-length") or ["0"])[0]), "body"), []

    def response_head(self, status, fields=(), end=False):
        names = {name for name, _ in fields}
        framing = []
        if "content-length" not in names and status not in (204, 304):
            self.chunked = not end
            framing = [("content-length", "0") if end else ("transfer-encoding", "chunked")]
        self._head(status, [*fields, *framing])

    def interim_response(self, status, fields=()):
        self._head(status, fields)

    def _head(self, status, fields):
        self.peer.send("".join([f"HTTP/1.1 {status} Status\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1"))

    def send(self, data, end=False):
        if data:
            self.peer.send(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)
        if end:
            self.end()

    def end(self, trailers=()):
        if self.chunked:
            self.peer.send(b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n")

    def abort(self):
        self.peer.reset()

    def stop_upload(self):
        # Takes the rest in and away, so that no reset overtakes the answer.
        while self.peer.sock.recv(65536):
            pass

    def wait_given_up(self, seconds):
        self.peer.sock.settimeout(seconds)
        try:
            return not self.peer.sock.recv(1)
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Answers:
    """The behaviour, and what it counted: uploads cut short, /wait given up, requests by target."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cut, self.waiting, self.given_up = 0, 0, 0
        self.targets = {}

    def h1(self, peer):
        while True:
            self(H1Exchange(peer, peer.head()))

    def __call__(self, exchange):
        path, _, rest = exchange.target.partition("?")[0].lstrip("/").partition("/")
        with self.lock:
            self.targets[exchange.target] = self.targets.get(exchange.target, 0) + 1
        handler = getattr(self, f"on_{path}", self.mirror)
        if path != "early":
            try:
                body, trailers = exchange.receive()
            except Truncated:
                with self.lock:
                    self.cut += 1
                raise
            handler(exchange, rest, body, trailers)
        else:
            exchange.response_head(413, [("content-length", "9")] if isinstance(exchange, H1Exchange) else [])
            exchange.send(b"too large", True)
            exchange.stop_upload()

    def mirror(self, exchange, _rest, body, trailers):
        seen = {"method": exchange.method, "target": exchange.target, "headers": exchange.headers, "length": len(body), "sha256": sha256(body),
                "trailers": trailers}
        answer = json.dumps(seen).encode()
        exchange.response_head(200, [("content-type", "application/json"), ("content-length", str(len(answer)))], exchange.method == "HEAD")
        if exchange.method != "HEAD":
            exchange.send(answer, True)

    def on_bytes(self, exchange, rest, _body, _trailers):
        exchange.response_head(200, [("content-length", rest)], exchange.method == "HEAD")
        if exchange.method != "HEAD":
            exchange.send(pattern(int(rest)), True)

    def on_stream(self, exchange, rest, _body, _trailers):
        data = pattern(int(rest))
        exchange.response_head(200, [("content-type", "application/octet-stream")])
        for at in range(0, len(data), 50000):
            exchange.send(data[at:at + 50000])
        exchange.end([("x-sum", sha256(data))])

    def on_cut(self, exchange, rest, _body, _trailers):
        exchange.response_head(200, [("content-type", "application/octet-stream")])
        exchange.send(pattern(int(rest)))
        exchange.abort()
        raise Truncated("as asked")

    def on_status(self, exchange, rest, _body, _trailers):
        exchange.response_head(int(rest), [("x-status", rest)], True)

    def on_hints(self, exchange, rest, body, trailers):
        exchange.interim_response(103, [("link", "</style.css>; rel=preload")])
        self.mirror(exchange, rest, body, trailers)

    def on_cookies(self, exchange, _rest, _body, _trailers):
        exchange.response_head(200, [("set-cookie", "a=1"), ("set-cookie", "b=2; Path=/"), ("set-cookie", "c=3, d")], True)

    def on_wait(self, exchange, _rest, _body, _trailers):
        with self.lock:
            self.waiting += 1
        gone = exchange.wait_given_up(10)
        with self.lock:
            self.given_up += gone


def both(answers):
    """`(name, protocol, upstream)` of an HTTP/1.1 and of an HTTP/2 upstream with this behaviour."""
    from h2peer import H2Upstream
    return [("h1", "h1", Upstream(answers.h1)), ("h2", "h2", H2Upstream(answers))]
