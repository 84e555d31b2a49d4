"""Databases as upstreams of connections that are carried as bytes: Redis and PostgreSQL, each with nothing in it."""

import glob
import os
import random
import shutil
import subprocess
import tempfile

from harness import directory, free_port, need
from servers import Server


class Redis(Server):
    """redis-server that keeps nothing on disk, in TLS if there is a certificate for it (and its authority)."""

    def __init__(self, authority=None, pair=None):
        self.name = f"redis-{random.getrandbits(24):06x}"
        self.port, self.listen = free_port(), ["--port"]
        if pair:
            self.listen = ["--port", "0", "--tls-cert-file", pair.chain, "--tls-key-file", pair.key, "--tls-ca-cert-file", authority.file,
                           "--tls-auth-clients", "no", "--tls-port"]

    def __enter__(self):
        self._start([need("redis-server"), "--bind", "127.0.0.1", *self.listen, str(self.port), "--save", "", "--appendonly", "no",
                     "--maxclients", "500"], cwd=directory())
        return self


class Postgres(Server):
    """PostgreSQL with a cluster of its own, which trusts everybody on the loopback. `settings` go to its configuration. With a
    certificate it speaks TLS with those who ask for it.

    It refuses to be run by root: then it is run by `nobody`."""

    def __init__(self, pair=None):
        self.name = f"postgres-{random.getrandbits(24):06x}"
        self.port, self.pair = free_port(), pair
        self.as_nobody = [need("setpriv"), "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if os.geteuid() == 0 else []

    def __enter__(self):
        self.data = os.path.join(self._parent(), self.name)
        os.makedirs(self.data, mode=0o700)
        if self.as_nobody:
            shutil.chown(self.data, "nobody", "nogroup")
        self._run("initdb", "--pgdata", self.data, "--username=postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8")
        settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100"]
        if self.pair:
            settings += ["ssl=on", f"ssl_cert_file={self._own(self.pair.chain)}", f"ssl_key_file={self._own(self.pair.key)}"]
        self._start([*self.as_nobody, postgres_program("postgres"), "-D", self.data, "-p", str(self.port),
                     *(part for setting in settings for part in ("-c", setting))], cwd=self.data)
        return self

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.data, ignore_errors=True)

    def _own(self, file):
        """A copy that the server can read, and nobody else."""
        copy = os.path.join(self.data, os.path.basename(file))
        shutil.copy(file, copy)
        if self.as_nobody:
            shutil.chown(copy, "nobody", "nogroup")
        return copy

    def _parent(self):
        """This script's directory, or where that is closed to others (below the home of root), that of all temporary files."""
        if not self.as_nobody:
            return directory()
        os.chmod(directory(), 0o755)
        reached = subprocess.run([*self.as_nobody, "test", "-x", directory()])
        return directory() if reached.returncode == 0 else tempfile.gettempdir()

    def _run(self, program, *arguments):
        done = subprocess.run([*self.as_nobody, postgres_program(program), *arguments], capture_output=True, text=True, timeout=60, cwd=self.data)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {(done.stdout + done.stderr)[-2000:]}")


def postgres_program(name):
    """Debian keeps the programs of each version in a directory of its own; the newest is taken."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    return found[-1] if found else need(name)
