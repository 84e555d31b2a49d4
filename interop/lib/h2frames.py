"""HTTP/2 frames by hand, for what no library would send: a raw client over a socket, header blocks of plain literals."""

import socket
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
ENHANCE_YOUR_CALM = 0xB
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(**values):
    """`s4=65535` is SETTINGS_INITIAL_WINDOW_SIZE."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", int(name[1:]), value) for name, value in values.items()))


def integer(value, prefix, first=0):
    """RFC 7541 section 5.1."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    encoded, value = bytearray([first | most]), value - most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes(encoded) + bytes([value])


def literal(name, value, first=0x00):
    """A field with a name of its own: 0x00 without indexing, 0x40 for the table."""
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def request(path=b"/", method=2, authority=b"a"):
    """`method`: 2 is GET, 3 POST, by their places in the static table."""
    return bytes([0x80 | method, 0x86]) + b"\x04" + integer(len(path), 7) + path + b"\x01" + integer(len(authority), 7) + authority


class Raw:
    """A connection that has sent its preface. Counts what it sends; reads when told to, and notes how it was ended."""

    def __init__(self, port, first=b"", receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(0.25)
        self.sent = 0
        self.buffer = b""
        self.goaway = None
        self.closed = False
        self.resets = {}
        self.statuses = 0
        self.send(PREFACE + (first or settings()))

    def send(self, data):
        """False: the peer takes no more, or is gone."""
        if self.closed:
            return False
        try:
            self.socket.sendall(data)
            self.sent += len(data)
            return True
        except TimeoutError:
            return False
        except OSError:
            self.closed = True
            return False

    def read(self, seconds=0.0):
        """Takes in what there is, for at least so long or until the end, and not for ever where more and more comes."""
        end = time.monotonic() + seconds
        while not self.closed and time.monotonic() < end + 1:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                break
            except OSError:
                data = b""
            if not data:
                self.closed = True
                break
            self.buffer += data
        self.socket.settimeout(0.25)
        self.parse()

    def parse(self):
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, stream = self.buffer[3], int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload = self.buffer[9:9 + length]
            self.buffer = self.buffer[9 + length:]
            if kind == GOAWAY:
                self.goaway = int.from_bytes(payload[4:8], "big")
            elif kind == RST_STREAM:
                self.resets[stream] = int.from_bytes(payload, "big")
            elif kind == HEADERS:
                self.statuses += 1

    def close(self):
        self.socket.close()
