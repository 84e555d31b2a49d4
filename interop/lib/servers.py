"""Other people's servers as upstreams."""

import os
import random
import socket

from harness import directory, free_port, need, spawn, stop, until
from peers import pattern


class Server:
    """One process that listens on `self.port`."""

    def _start(self, command, **options):
        with open(os.path.join(directory(), self.name + ".log"), "ab") as log:
            self.process = spawn(command, stdout=log, stderr=log, **options)

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} left: {self.log_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False

        if not until(answers, 15):
            raise RuntimeError(f"{self.name} does not listen: {self.log_text()[-2000:]}")

    def log_text(self):
        with open(os.path.join(directory(), self.name + ".log"), errors="replace") as log:
            return log.read()

    def __exit__(self, *_):
        stop(self.process)


# Debian's nginx has `stream` as a module, others have it built in.
STREAM = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;" if os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so") else ""


class Nginx(Server):
    """nginx with files of known content; `locations` adds to its configuration, `main` outside of all blocks, such as a `stream`, and `listen`
    to that line. With `h2` the port speaks HTTP/2 with prior knowledge."""

    def __init__(self, locations="", h2=False, keepalive_requests=100000, main="", listen=""):
        self.name = f"nginx-{random.getrandbits(24):06x}"
        self.port, self.h2, self.keepalive_requests = free_port(), h2, keepalive_requests
        # /upload asks nginx itself, in HTTP/1
        self.inner_port = free_port() if h2 else self.port
        self.main, self.listen = main, listen
        self.locations = locations  # @ROOT@ in it is the directory of files
        self.root = os.path.join(directory(), self.name)

    def file(self, name):
        return os.path.join(self.root, "www", name)

    def __enter__(self):
        os.makedirs(os.path.join(self.root, "www"))
        os.makedirs(os.path.join(self.root, "tmp"))
        for name, size in (("small", 100), ("64k", 65536), ("1m", 1 << 20), ("text.txt", 50000)):
            with open(self.file(name), "wb") as out:
                out.write(b"text " * (size // 5) if name.endswith(".txt") else pattern(size))
        temp = "".join(f"{kind}_temp_path {self.root}/tmp/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(self.root, "nginx.conf"), "w") as out:
            out.write(f"""{STREAM if self.main else ""}
user root;
worker_processes 1;
daemon off;
master_process off;
pid {self.root}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  {temp}
  access_log off;
  types {{ text/plain txt; }}
  client_max_body_size 0;
  client_body_buffer_size 128k;
  server {{
    listen 127.0.0.1:{self.port} reuseport backlog=4096 {"http2" if self.h2 else ""} {self.listen};
    {f"listen 127.0.0.1:{self.inner_port};" if self.h2 else ""}
    large_client_header_buffers 8 64k;
    keepalive_requests {self.keepalive_requests};
    root {self.root}/www;
    location = /upload {{ client_max_body_size 0; proxy_pass http://127.0.0.1:{self.inner_port}/sink; }}
    location = /sink {{ return 200 "taken\\n"; }}
    location = /chunked {{ ssi on; ssi_types *; alias {self.root}/www/64k; }}
    {self.locations.replace("@ROOT@", self.root + "/www")}
  }}
}}
{self.main.replace("@ROOT@", self.root + "/www")}
""")
        self._start([need("nginx"), "-p", self.root, "-e", "stderr", "-c", "nginx.conf"])
        return self


class HAProxy(Server):
    """HAProxy in front of `backend`; `rules` go into its front end. `bind` and `server` add to those lines, such as `proto h2`."""

    def __init__(self, backend, rules="", defaults="", bind="", server=""):
        self.name = f"haproxy-{random.getrandbits(24):06x}"
        self.port = free_port()
        self.text = f"""
global
  maxconn 2000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  {defaults}
frontend in
  bind 127.0.0.1:{self.port} {bind}
  {rules}
  default_backend out
backend out
  server one 127.0.0.1:{backend} {server}
"""

    def __enter__(self):
        path = os.path.join(directory(), self.name + ".cfg")
        with open(path, "w") as out:
            out.write(self.text)
        self._start([need("haproxy"), "-db", "-f", path])
        return self


class Nghttpd(Server):
    """nghttp2's server, HTTP/2 with prior knowledge, on files of known content; `/echo` is no file: it mirrors uploads (--echo-upload)."""

    def __init__(self, options=()):
        self.name = f"nghttpd-{random.getrandbits(24):06x}"
        self.port, self.options = free_port(), list(options)
        self.root = os.path.join(directory(), self.name)

    def __enter__(self):
        os.makedirs(self.root)
        for name, size in (("small", 100), ("64k", 65536), ("1m", 1 << 20)):
            with open(os.path.join(self.root, name), "wb") as out:
                out.write(pattern(size))
        self._start([need("nghttpd"), "--no-tls", "--address=127.0.0.1", f"--htdocs={self.root}", *self.options, str(self.port)])
        return self
