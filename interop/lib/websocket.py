"""WebSocket ends over HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441): frames and handshakes by wsproto, bytes by sockets and h2peer's streams."""

import socket

import harness
from h2peer import H2Client, H2Upstream, Stream
from peers import Truncated, Upstream

harness.python_packages()
from h2.settings import SettingCodes
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (AcceptConnection, CloseConnection, Message, Ping, Pong, RejectConnection, Request, TextMessage)
from wsproto.utilities import RemoteProtocolError

FIELDS = [("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat, superchat"), ("origin", "http://page.example")]


class Refused(Exception):
    """The handshake ended with this status."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class End:
    """One end of an open WebSocket: `protocol` makes frames, `below` is a socket or a Stream, `head` is what the other end said first."""

    def __init__(self, protocol, below, head):
        self.protocol, self.below, self.head = protocol, below, head
        self.queue, self.pongs = [], 0

    def send(self, event):
        self.write(self.protocol.send(event))

    def write(self, data):
        if isinstance(self.below, Stream):
            self.below.send(data)
        else:
            self.below.sendall(data)

    def read(self):
        """Some bytes; none at a clean end. Raises Truncated or ConnectionError when there is no such."""
        if not isinstance(self.below, Stream):
            return self.below.recv(65536)
        stream = self.below
        stream.wait(lambda: stream.body or stream.ended)
        return stream.take(len(stream.body))

    def receive(self):
        """The next whole message as str or bytes, or CloseConnection; None at a clean end of the bytes."""
        parts = []
        while True:
            while self.queue:
                event = self.queue.pop(0)
                if isinstance(event, Message):
                    parts.append(event.data)
                    if event.message_finished:
                        return ("" if isinstance(event, TextMessage) else b"").join(parts)
                elif isinstance(event, Ping):
                    self.send(event.response())
                elif isinstance(event, Pong):
                    self.pongs += 1
                elif isinstance(event, CloseConnection):
                    return event
            data = self.read()
            if not data:
                return None
            self.protocol.receive_data(data)
            self.queue += self.protocol.events()

    def finish(self):
        """The end of this direction."""
        if isinstance(self.below, Stream):
            self.below.send(b"", True)
        else:
            self.below.shutdown(socket.SHUT_WR)

    def abort(self):
        if isinstance(self.below, Stream):
            self.below.reset()
        else:
            self.below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.below.close()

    def ended(self):
        """How the other side ends from here: "clean" or "cut"."""
        try:
            while self.read():
                pass
            return "clean"
        except (Truncated, ConnectionError):
            return "cut"


def client(version, port, host, path, early=b""):
    """Opens a WebSocket through the proxy. `early` goes before the proxy has answered."""
    if version == "h1":
        sock = socket.create_connection(("127.0.0.1", port), 10)
        protocol = WSConnection(ConnectionType.CLIENT)
        sock.sendall(protocol.send(Request(host=host, target=path, subprotocols=["chat", "superchat"], extra_headers=[(b"origin", b"http://page.example")])) + early)
        while True:
            data = sock.recv(65536)
            if not data:
                raise Truncated("no answer to the handshake")
            protocol.receive_data(data)
            for event in protocol.events():
                if isinstance(event, AcceptConnection):
                    head = [("sec-websocket-protocol", event.subprotocol), *((name.decode(), field.decode()) for name, field in event.extra_headers)]
                    end = End(protocol, sock, head)
                    end.queue += protocol.events()
                    return end
                if isinstance(event, RejectConnection):
                    raise Refused(event.status_code)
    connection = H2Client(port)
    connection.settled()
    stream = connection.start("CONNECT", path, FIELDS, end=False, authority=host, pseudo=[(":protocol", "websocket")])
    if early:
        stream.send(early)
    stream.head()
    if stream.status != 200:
        raise Refused(stream.status)
    return End(Connection(ConnectionType.CLIENT), stream, stream.headers)


def h1_upstream(serve):
    """`serve(end, path)` for each WebSocket; /refuse is refused with 403."""
    def connection(peer):
        protocol = WSConnection(ConnectionType.SERVER)
        while True:
            data = peer.sock.recv(65536)
            if not data:
                return
            try:
                protocol.receive_data(data)
            except RemoteProtocolError as error:
                upstream.errors.append(str(error))
                return
            for event in protocol.events():
                if not isinstance(event, Request):
                    continue
                if event.target == "/refuse":
                    peer.send(protocol.send(RejectConnection(status_code=403, headers=[(b"content-length", b"0")])))
                    return
                peer.send(protocol.send(AcceptConnection(subprotocol=event.subprotocols[1])))
                head = [(name.decode(), field.decode()) for name, field in event.extra_headers]
                end = End(protocol, peer.sock, [("host", event.host), *head])
                end.queue += protocol.events()
                return serve(end, event.target)

    upstream = Upstream(connection)
    return upstream


def h2_upstream(serve):
    def stream(stream):
        if stream.method != "CONNECT" or stream.header(":protocol") != "websocket":
            return stream.response_head(405, [], True)
        if stream.target == "/refuse":
            return stream.response_head(403, [], True)
        chosen = [("sec-websocket-protocol", stream.header("sec-websocket-protocol", ",").split(",")[1].strip())]
        stream.response_head(200, chosen)
        serve(End(Connection(ConnectionType.SERVER), stream, stream.headers), stream.target)

    return H2Upstream(stream, settings={SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
