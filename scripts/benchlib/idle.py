"""Connections at rest: plain sockets, each of which made one request."""

import select
import socket
import ssl
import struct

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# RFC 9113: frame types (section 6) and flags; sections 3.4 and 6.5: a preface and empty SETTINGS open a connection.
DATA, HEADERS, SETTINGS, GOAWAY = 0x0, 0x1, 0x4, 0x7
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4


class IdleConnections:
    """Keep-alive connections that each made one request, one after the other, and now say nothing."""

    REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def __init__(self, port):
        self.port = port
        self.sockets = []

    def open(self, count):
        """Returns the number of connections that failed; gives up early when many do."""
        failed = 0
        for _ in range(count):
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                # Over TLS the request is a second write: it shall not wait for the first one's ACK.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = self.begin(connection)
                self.sockets.append(connection)
                self.request(connection)
            except OSError:
                failed += 1
                if failed > 10:
                    return failed
        return failed

    def begin(self, connection):
        """What comes before the first request; the connection to use."""
        return connection

    def request(self, connection):
        connection.sendall(self.REQUEST)
        answer = b""
        while not answer.endswith(b"ok\n"):
            part = connection.recv(4096)
            if not part or b" 200 " not in (answer + part)[:16]:
                raise OSError("closed or refused")
            answer += part

    def lost(self):
        """Connections that the proxy has closed or written to meanwhile."""
        watch = select.poll()
        for connection in self.sockets:
            watch.register(connection, select.POLLIN)
        return len(watch.poll(0))

    def close(self):
        for connection in self.sockets:
            connection.close()
        self.sockets.clear()


class IdleTlsConnections(IdleConnections):
    """The same over TLS."""

    def __init__(self, port):
        super().__init__(port)
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def begin(self, connection):
        return self.context.wrap_socket(connection)


def frame(kind, flags=0, stream=0, payload=b""):
    """RFC 9113 section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class IdleH2Connections(IdleConnections):
    """The same over HTTP/2 with prior knowledge."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS)
    # RFC 7541 appendix A: GET, http, /; and :authority (1) as a literal that is not indexed.
    FIELDS = b"\x82\x86\x84\x01\x09127.0.0.1"

    def __init__(self, port):
        super().__init__(port)
        self.streams = {}  # socket: the next stream's number

    def begin(self, connection):
        connection.sendall(self.PREFACE)
        self.streams[connection] = 1
        return connection

    def request(self, connection):
        stream = self.streams[connection]
        self.streams[connection] = stream + 2
        connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, self.FIELDS))
        # With the first response the peer's SETTINGS and its ACK of ours: after that it has nothing more to say.
        wanted = {"end"} | ({"settings", "ack"} if stream == 1 else set())
        body = b""
        while wanted:
            kind, flags, of, payload = self.frame_from(connection)
            if kind == SETTINGS and flags & ACK:
                wanted.discard("ack")
            elif kind == SETTINGS:
                wanted.discard("settings")
                connection.sendall(frame(SETTINGS, ACK))
            elif kind == GOAWAY or of and of != stream:
                raise OSError(f"frame of type {kind} on stream {of}")
            elif of and kind in (DATA, HEADERS):
                body += payload if kind == DATA else b""
                if flags & END_STREAM:
                    wanted.discard("end")
        if body != b"ok\n":
            raise OSError(f"wrong answer {body[:80]!r}")

    @classmethod
    def frame_from(cls, connection):
        head = cls.exactly(connection, 9)
        payload = cls.exactly(connection, int.from_bytes(head[:3], "big"))
        return head[3], head[4], int.from_bytes(head[5:], "big"), payload

    @staticmethod
    def exactly(connection, length):
        read = b""
        while len(read) < length:
            part = connection.recv(length - len(read))
            if not part:
                raise OSError("closed")
            read += part
        return read

    def close(self):
        super().close()
        self.streams.clear()
