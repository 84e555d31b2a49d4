"""The load: wrk for requests, plain sockets for connections at rest. All of it bounded in time and number."""

import http.client
import json
import re
import select
import socket
import struct
import subprocess
from pathlib import Path

from .processes import die_with_parent
from .tools import find

SCRIPT = Path(__file__).with_name("wrk.lua")
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def http_requests(case, port, count):
    """So many requests of the case, one after the other; raises OSError at the first wrong answer."""
    headers = {"Connection": "close"} if case.close else {}
    body = b"x" * case.request_bytes or None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        for _ in range(count):
            # http.client connects again by itself when the answer closed the connection.
            connection.request(case.method, case.path, body=body, headers=headers)
            response = connection.getresponse()
            length = len(response.read())
            if (response.status, length) != (200, case.response_bytes):
                raise OSError(f"{case.method} {case.path}: status {response.status} with {length} bytes")
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"{case.method} {case.path}: {error!r}") from error
    finally:
        connection.close()


def run_wrk(case, port, seconds):
    """Requests, bytes, p50/p99 and errors as counted by wrk; raises on a wrk that does not end."""
    command = [find("wrk"), "-t1", f"-c{case.connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    words = [case.method, case.request_bytes, int(case.close), case.path, case.routes]
    command += [f"http://127.0.0.1:{port}{case.path}", "--"] + [str(word) for word in words]
    # A new session keeps Ctrl-C from it; `run` ends it when the script is interrupted.
    apart = {"start_new_session": True, "preexec_fn": die_with_parent}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, **apart)
    found = re.search(r"^BENCH (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise OSError(f"wrk: status {done.returncode}: {done.stdout} {done.stderr}")
    result = json.loads(found[1])
    result["errors"] = {kind: result.pop(kind) for kind in ("connect", "read", "write", "timeout", "status")}
    return result


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
                self.sockets.append(connection)
                self.request(connection)
            except OSError:
                failed += 1
                if failed > 10:
                    return failed
        return failed

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
