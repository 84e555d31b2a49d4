"""`openssl s_client` and `openssl s_server`, and what they say."""

import random
import re
import subprocess

from harness import free_port, need
from servers import Server

# All that rustls speaks.
CIPHERS_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CIPHERS_12 = [f"ECDHE-{key}-{rest}" for key in ("ECDSA", "RSA") for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")]

REQUEST = b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n"


class Said:
    """What s_client printed, and its status."""

    def __init__(self, status, text):
        self.status, self.text = status, text
        agreed = re.search(r"(?m)^(New|Reused), (TLSv[\d.]+), Cipher is ([A-Z0-9_-]+)$", text)
        # Whether the session is an old one, version and cipher; None where no handshake came to its end.
        self.reused, self.version, self.cipher = (agreed[1] == "Reused", agreed[2], agreed[3]) if agreed else (None, None, None)

    def _find(self, expression):
        found = re.search(expression, self.text)
        return found[1].strip() if found else None

    @property
    def subject(self):
        return self._find(r"(?m)^subject=(?:CN ?= ?)?(.*)$")

    @property
    def alpn(self):
        return self._find(r"(?m)^ALPN protocol: (\S+)$")

    @property
    def key_type(self):
        return self._find(r"(?m)^Peer signature type: (\S+)$")

    @property
    def alert(self):
        """The alert that the other side ended the handshake with, or what went wrong here."""
        return self._find(r":(?:ssl/tls alert|sslv3 alert|tlsv1 alert|tlsv13 alert|error)?:?[^:\n]*:([^:\n]*alert[^:\n]*):") or self._find(r"(?m)^[0-9A-F]+:error:[^:]*:[^:]*:([^:]+):")

    @property
    def verified(self):
        return "Verify return code: 0 (ok)" in self.text

    def __contains__(self, text):
        return text in self.text

    def __repr__(self):
        return f"<status {self.status}: {self.text[-400:]}>"


def s_client(port, *arguments, request=REQUEST, seconds=15):
    """One connection: a handshake, a request, and all that comes until the end. Certificates are not checked unless `arguments` say so."""
    command = [need("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *arguments]
    done = subprocess.run(command, input=request, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    return Said(done.returncode, done.stdout.decode(errors="replace"))


class SServer(Server):
    """s_server with this pair. It answers any request with what it knows of the connection, and closes it."""

    def __init__(self, pair, *options):
        self.name = f"s_server-{random.getrandbits(24):06x}"
        self.port, self.pair, self.options = free_port(), pair, options

    def __enter__(self):
        self._start([need("openssl"), "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", self.pair.chain, "-key", self.pair.key,
                     "-www", *self.options], stdin=subprocess.DEVNULL)
        return self
