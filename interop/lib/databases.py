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
    """redis-server that keeps nothing on disk. `options` are added to its command line."""

    def __init__(self, *options):
        self.name = f"redis-{random.getrandbits(24):06x}"
        self.port, self.options = free_port(), options

    def __enter__(self):
        self._start([need("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no",
                     "--maxclients", "500", *self.options], cwd=directory())
        return self


class Postgres(Server):
    """PostgreSQL with a cluster of its own, which trusts everybody on the loopback. `settings` go to its configuration, such as `ssl=on`.

    It refuses to be run by root: then it is run by `nobody`."""

    def __init__(self, settings=()):
        self.name = f"postgres-{random.getrandbits(24):06x}"
        self.port, self.settings = free_port(), settings
        self.as_nobody = [need("setpriv"), "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if os.geteuid() == 0 else []

    def __enter__(self):
        self.data = os.path.join(self._parent(), self.name)
        os.makedirs(self.data, mode=0o700)
        if self.as_nobody:
            shutil.chown(self.data, "nobody", "nogroup")
        self._run("initdb", "--pgdata", self.data, "--username=postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8")
        settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100", *self.settings]
        self._start([*self.as_nobody, postgres_program("postgres"), "-D", self.data, "-p", str(self.port),
                     *(part for setting in settings for part in ("-c", setting))], cwd=self.data)
        return self

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.data, ignore_errors=True)

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
