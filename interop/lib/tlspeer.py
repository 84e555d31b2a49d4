"""Python's ssl as a client by hand, so that a test can send the pieces of a handshake as it likes."""

import socket
import ssl

from peers import Client, Upstream, Wire


def context(authority=None, pair=None, alpn=(), version=None):
    """A client's context that trusts this authority, or anybody. `version` is the only one it speaks."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        made.load_verify_locations(authority.file)
    else:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if pair:
        made.load_cert_chain(pair.chain, pair.key)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


class Handshake:
    """A client's handshake as bytes: `hello` is what it says first."""

    def __init__(self, context, name="test.example"):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.hello = self.step()

    def step(self):
        """What is to be sent now."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def finish(self, sock, send):
        """The rest of it over `sock`, where `send` says how bytes go out."""
        while True:
            data = sock.recv(65536)
            if not data:
                raise ConnectionError("closed within the handshake")
            self.incoming.write(data)
            send(self.step())
            if self.object.version() and self._done():
                return

    def _done(self):
        try:
            self.object.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False


class TlsClient(Client):
    """peers.Client over TLS."""

    def __init__(self, port, context, name="test.example", timeout=10, session=None, source=None):
        super().__init__(port, timeout, source=source)
        self.sock = context.wrap_socket(self.sock, server_hostname=name, session=session, suppress_ragged_eofs=False)
        self.wire = Wire(self.sock)


def server_context(pair, authority=None, version=None):
    """A server's context; with an authority it asks for a certificate of it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.chain, pair.key)
    if authority:
        made.load_verify_locations(authority.file)
        made.verify_mode = ssl.CERT_REQUIRED
    if version:
        made.minimum_version = made.maximum_version = version
    return made


class TlsUpstream(Upstream):
    """peers.Upstream over TLS. A connection whose `serve` returns True ends with close_notify, any other is cut. `errors` has failed handshakes too."""

    def __init__(self, serve, context):
        def over_tls(peer):
            try:
                peer.sock = context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False)
            except OSError as error:
                self.errors.append(repr(error))
                return
            peer.wire = Wire(peer.sock)
            said = None
            try:
                said = serve(peer)
            except ssl.SSLError as error:
                self.errors.append(repr(error))
            finally:
                if said:
                    say_end(peer.sock)
                peer.sock.close()

        super().__init__(over_tls)


def say_end(sock):
    """Sends close_notify, and does not wait for the other side's."""
    sock.setblocking(False)
    try:
        sock.unwrap()
    except OSError:
        pass


def ending(sock):
    """How the other side ends from here: "said" or "cut". The socket must not suppress ragged ends."""
    try:
        while sock.recv(65536):
            pass
        return "said"
    except (ssl.SSLError, ConnectionError):
        return "cut"
