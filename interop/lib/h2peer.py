"""HTTP/2 by hand on both sides, over python h2: a client that notices every truncation and an upstream whose behaviour is one function
per stream. Plain text, prior knowledge (RFC 9113 section 3.3). Both sides have the same `Stream`.

A connection has two threads: one reads and takes in, one writes. Nothing that waits holds the lock.
"""

import socket
import threading

import harness
from peers import Truncated, value

harness.python_packages()
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.errors import ErrorCodes
from h2.settings import SettingCodes


GOAWAY = 7  # RFC 9113 section 6.8


class Reset(Truncated):
    """The peer reset the stream; `code` is its reason."""

    def __init__(self, code):
        super().__init__(f"RST_STREAM {code!r}")
        self.code = code


def text(fields):
    return [(name.decode("latin-1"), field.decode("latin-1")) for name, field in fields]


class Stream:
    """What the peer sent so far, and what can be sent to it. `body` grows; `wait` says when."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.headers, self.trailers, self.interim = None, [], []
        self.body = bytearray()
        self.ended = False
        self.code = None  # of a reset by the peer
        self.hold = False  # no window is given back while this is set
        self.held = 0

    # ---- what came

    def header(self, name, default=None):
        return value(self.headers or [], name, default)

    @property
    def status(self):
        return int(self.header(":status", "0"))

    @property
    def method(self):
        return self.header(":method")

    @property
    def target(self):
        return self.header(":path")

    def wait(self, condition, seconds=15):
        """Until `condition()`; raises Reset or Truncated when it cannot come true any more."""
        connection = self.connection
        with connection.changed:
            done = connection.changed.wait_for(lambda: condition() or self.code is not None or connection.closed, seconds)
            if condition():
                return
            if self.code is not None:
                raise Reset(self.code)
            if not done:
                raise TimeoutError(f"stream {self.number} after {seconds} s")
            raise Truncated(f"the connection ended within stream {self.number}: {connection.why}, GOAWAY {connection.goaway}")

    def head(self, seconds=15):
        self.wait(lambda: self.headers is not None, seconds)
        return self

    def read(self, seconds=30):
        """The whole message."""
        self.wait(lambda: self.ended, seconds)
        return bytes(self.body)

    def take(self, length, seconds=15):
        """The next `length` bytes, taken off the body."""
        self.wait(lambda: len(self.body) >= length, seconds)
        with self.connection.lock:
            taken = bytes(self.body[:length])
            del self.body[:length]
        return taken

    def release(self):
        """Gives back the window that `hold` kept."""
        with self.connection.lock:
            self.hold = False
            if self.held:
                self.connection.protocol.acknowledge_received_data(self.held, self.number)
                self.held = 0
            self.connection.flush()

    # ---- what goes

    def send_head(self, fields, end=False):
        with self.connection.lock:
            self.connection.protocol.send_headers(self.number, fields, end_stream=end)
            self.connection.flush()

    def send(self, data, end=False, seconds=30):
        """As much at a time as the windows let."""
        connection, at = self.connection, 0
        while True:
            with connection.changed:
                def room():
                    return connection.closed or self.code is not None or at == len(data) or connection.protocol.local_flow_control_window(self.number) > 0
                if not connection.changed.wait_for(room, seconds):
                    raise TimeoutError(f"no window for stream {self.number} after {seconds} s")
                if self.code is not None:
                    raise Reset(self.code)
                if connection.closed:
                    raise Truncated(f"the connection ended: {connection.why}")
                length = min(len(data) - at, connection.protocol.max_outbound_frame_size)
                if length:
                    length = min(length, connection.protocol.local_flow_control_window(self.number))
                last = at + length == len(data)
                if length or end:
                    connection.protocol.send_data(self.number, data[at:at + length], end_stream=end and last)
                    connection.flush()
                at += length
            if last:
                return

    def reset(self, code=ErrorCodes.CANCEL):
        with self.connection.lock:
            try:
                self.connection.protocol.reset_stream(self.number, code)
                self.connection.flush()
            except h2.exceptions.ProtocolError:
                pass  # it is closed already

    # ---- the same, as an upstream says it (see behaviour.py)

    def interim_response(self, status, fields=()):
        self.send_head([(":status", str(status)), *fields])

    def response_head(self, status, fields=(), end=False):
        self.send_head([(":status", str(status)), *fields], end)

    def end(self, trailers=()):
        if trailers:
            self.send_head(list(trailers), True)
        else:
            self.send(b"", True)

    def abort(self):
        self.reset(ErrorCodes.INTERNAL_ERROR)

    def receive(self):
        """Body and trailers of a request."""
        if self.header("expect") == "100-continue":
            self.interim_response(100)
        return self.read(), self.trailers

    def wait_given_up(self, seconds):
        """Whether the proxy resets the stream or leaves within this time."""
        try:
            self.wait(lambda: False, seconds)
        except TimeoutError:
            return False
        except Truncated:
            return True

    def stop_upload(self):
        """A complete response went before the request's end (RFC 9113 section 8.1)."""
        self.reset(ErrorCodes.NO_ERROR)


class Connection:
    def __init__(self, sock, is_client, settings=None, window=1 << 20, serve=None):
        self.sock, self.serve = sock, serve
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.out, self.closed, self.why = [], False, ""
        self.streams, self.peer_settings, self.pings = {}, {}, 0
        self.goaway = None  # last stream, error code
        self.protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=is_client, header_encoding=None))
        first = {SettingCodes.INITIAL_WINDOW_SIZE: window, SettingCodes.MAX_CONCURRENT_STREAMS: 1000, SettingCodes.ENABLE_PUSH: 0, **(settings or {})}
        self.protocol.local_settings = h2.settings.Settings(client=is_client, initial_values=first)
        with self.lock:
            self.protocol.initiate_connection()
            if window > 65535:
                self.protocol.increment_flow_control_window(window - 65535)
            self.flush()
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def flush(self):
        """Hands what the protocol has to say to the writing thread; the lock is held."""
        self.out.append(self.protocol.data_to_send())
        self.changed.notify_all()

    def raw(self, data):
        """Bytes that the protocol does not know of."""
        with self.lock:
            self.flush()
            self.out.append(data)
            self.changed.notify_all()

    def _write(self):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.out or self.closed)
                data, self.out = b"".join(self.out), []
                if not data and self.closed:
                    break
            try:
                self.sock.sendall(data)
            except OSError as error:
                self._end(str(error))
                break

    def _read(self):
        data, preface = b"", 0 if self.protocol.config.client_side else 24
        while True:
            try:
                more = self.sock.recv(262144)
            except OSError as error:
                return self._end(str(error))
            if not more:
                return self._end("closed by the peer")
            data += more
            with self.lock:
                try:
                    while len(data) >= preface + 9 and len(data) >= (end := preface + 9 + int.from_bytes(data[preface:preface + 3], "big")):
                        self._frame(data[:end], data[preface + 3])
                        data, preface = data[end:], 0
                except h2.exceptions.ProtocolError as error:
                    self.flush()
                    return self._end(f"broken by the peer: {error!r}")
                self.flush()

    def _frame(self, frame, kind):
        if kind == GOAWAY:
            # Kept from h2, which would take the connection for closed while streams go on (RFC 9113 section 6.8).
            self.goaway = (int.from_bytes(frame[9:13], "big"), int.from_bytes(frame[13:17], "big"))
            return
        for event in self.protocol.receive_data(frame):
            self._take_in(event)

    def _end(self, why):
        with self.lock:
            if not self.closed:
                self.closed, self.why = True, why
            self.changed.notify_all()

    def _take_in(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams[event.stream_id] = Stream(self, event.stream_id)
            stream.headers = text(event.headers)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.peer_settings.update({code: change.new_value for code, change in event.changed_settings.items()})
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings += 1
        elif stream is None:
            pass
        elif isinstance(event, h2.events.ResponseReceived):
            stream.headers = text(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(text(event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = text(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if stream.hold:
                stream.held += event.flow_controlled_length
            else:
                try:
                    self.protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                except h2.exceptions.ProtocolError:
                    pass  # reset by this side meanwhile
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.code = event.error_code

    def _serve(self, stream):
        try:
            self.serve(stream)
        except (Truncated, OSError, h2.exceptions.ProtocolError):
            pass  # the proxy went away within it: the client's side says whether that was right

    def close(self):
        self._end("closed here")
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class H2Client(Connection):
    """One connection to the proxy."""

    def __init__(self, port, **options):
        super().__init__(socket.create_connection(("127.0.0.1", port), 10), True, **options)
        self.sock.settimeout(None)
        self.authority = f"127.0.0.1:{port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, method, path, fields=(), end=True, authority=None, pseudo=()):
        """Opens a stream."""
        with self.lock:
            stream = Stream(self, self.protocol.get_next_available_stream_id())
            self.streams[stream.number] = stream
            head = [(":method", method), (":scheme", "http"), (":authority", authority or self.authority), (":path", path), *pseudo, *fields]
            stream.send_head(head, end)
        return stream

    def request(self, method, path, fields=(), body=None, trailers=(), **options):
        """A whole exchange; the response's Stream with everything in it."""
        stream = self.start(method, path, fields, end=body is None and not trailers, **options)
        if body is not None or trailers:
            stream.send(body or b"", end=not trailers)
        if trailers:
            stream.send_head(list(trailers), True)
        stream.read()
        return stream

    def settled(self, seconds=5):
        """The peer's SETTINGS, once they are here."""
        with self.changed:
            self.changed.wait_for(lambda: self.peer_settings or self.closed, seconds)
        return self.peer_settings


class H2Upstream:
    """Listens on a port; `serve(stream)` runs in a thread for each request."""

    def __init__(self, serve, **options):
        self.serve, self.options = serve, options
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(Connection(sock, False, serve=self.serve, **self.options))

    def close(self):
        # shutdown wakes the accepting thread
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
