"""The upstream's and each proxy's configuration, and the command that runs it.

Equal terms: no access log, upstream keep-alive, connections at rest stay open, and no proxy writes a body to disk
(nginx would by default; the others cannot). Everything else is as each project ships it.
"""

import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from .cases import MIB, KIB

PROXIES = ("nuncio", "haproxy", "nginx", "envoy")
# The same programs set up in another way, in the cases that name them.
VARIANTS = {
    "haproxy_splice": "haproxy",
    "nuncio_policies": "nuncio",
    "nuncio_clusters": "nuncio",
    "nuncio_churn": "nuncio",
}
# h2load counts what was under way on a connection that the proxy ended as failed: so over HTTP/2 none may end one.
ENDLESS = 1_000_000_000


@dataclass(frozen=True)
class Setup:
    """What a proxy is configured for."""

    directory: Path
    port: int
    upstream_port: int
    workers: int
    routes: int
    max_connections: int
    client: str = "h1"  # or h2: plain text, with prior knowledge; or bytes, or datagrams
    upstream: str = "h1"  # or h2, or grpc, or bytes, or datagrams
    tls: Path | None = None  # directory of the certificate: clients come with TLS 1.3


def route_prefixes(setup):
    return [f"/r{number:05}/" for number in range(setup.routes)] or ["/"]


def tls_files(setup):
    return str(setup.tls / "site.pem"), str(setup.tls / "site.key")


def write(path, text):
    path.write_text(text)
    return str(path)


def nuncio(setup, binary):
    routes = [{"match": {"path": {"prefix": prefix}}, "cluster": "app"} for prefix in route_prefixes(setup)]
    listener = {"address": f"127.0.0.1:{setup.port}", "routes": routes if setup.routes else [{"cluster": "app"}]}
    cluster = {"endpoints": [f"127.0.0.1:{setup.upstream_port}"]}
    if setup.client == "h2":
        listener["http"] = {"max_requests_per_connection": "off"}
    if setup.upstream != "h1":
        cluster["protocol"] = "h2"
    if setup.tls:
        listener["tls"] = nuncio_tls(setup)
    config = {"workers": setup.workers, "listeners": [listener], "clusters": {"app": cluster}}
    return [binary, "run", write(setup.directory / "nuncio.json", json.dumps(config))]


def nuncio_tls(setup):
    chain, key = tls_files(setup)
    return {"certificates": [{"chain": chain, "key": key}], "min_version": "TLSv1.3"}


def haproxy(setup, binary):
    choose = "default_backend app"
    if setup.routes:
        lines = "".join(f"{prefix} app\n" for prefix in route_prefixes(setup))
        choose = f"use_backend %[path,map_beg({write(setup.directory / 'haproxy.map', lines)})]"
    client, upstream = (" proto h2" if protocol != "h1" else "" for protocol in (setup.client, setup.upstream))
    if setup.tls:
        client = haproxy_tls(setup) + " alpn h2,http/1.1"
    config = f"""
global
    nbthread {setup.workers}
    maxconn {setup.max_connections}
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
frontend bench
    bind 127.0.0.1:{setup.port}{client}
    {choose}
backend app
    http-reuse always
    server app 127.0.0.1:{setup.upstream_port}{upstream}
"""
    return [binary, "-db", "-f", write(setup.directory / "haproxy.cfg", config)]


def haproxy_tls(setup):
    return f" ssl crt {setup.tls}/both.pem ssl-min-ver TLSv1.3"


def nginx(setup, binary):
    go = "grpc_pass grpc://app" if setup.upstream == "grpc" else "proxy_pass http://app"
    locations = "\n".join(f"location {prefix} {{ {go}; }}" for prefix in route_prefixes(setup))
    h2 = setup.client == "h2"
    # 1000 is the default, which is also nuncio's
    body = f"""
    keepalive_requests {ENDLESS if h2 else 1000};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    upstream app {{ server 127.0.0.1:{setup.upstream_port}; keepalive {256 if h2 else 64}; }}
    server {{
        listen 127.0.0.1:{setup.port}{" ssl" * bool(setup.tls)}{" http2" * h2} reuseport;
        {nginx_tls(setup)}
        {locations}
    }}"""
    return nginx_command(setup, binary, "nginx", nginx_http(setup, "nginx", body))


def nginx_tls(setup):
    if not setup.tls:
        return ""
    chain, key = tls_files(setup)
    return f"ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"


def envoy(setup, binary):
    def routes():
        return [{"match": {"prefix": prefix}, "route": {"cluster": "app"}} for prefix in route_prefixes(setup)]

    package = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{package}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes()}]},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{package}.http.router.v3.Router"}}
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    cluster = envoy_cluster(setup)
    if setup.upstream != "h1":
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        explicit = {"http2_protocol_options": {}}
        protocol = {"@type": f"type.googleapis.com/{options}", "explicit_http_config": explicit}
        cluster["typed_extension_protocol_options"] = {options: protocol}
    # Its codec_type is AUTO: HTTP/2 by its preface, as with nuncio.
    return envoy_command(setup, binary, {"filters": filters}, cluster)


def envoy_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_cluster(setup):
    endpoint = {"endpoint": {"address": envoy_address(setup.upstream_port)}}
    return {
        "name": "app",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def envoy_tls(setup):
    chain, key = tls_files(setup)
    common = {
        "tls_certificates": [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
    }
    if setup.client != "bytes":
        common["alpn_protocols"] = ["h2", "http/1.1"]
    package = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "tls", "typed_config": {"@type": package, "common_tls_context": common}}


def envoy_command(setup, binary, chain, cluster):
    if setup.tls:
        chain["transport_socket"] = envoy_tls(setup)
    listener = {"address": envoy_address(setup.port), "filter_chains": [chain]}
    return envoy_listening(setup, binary, listener, cluster)


def envoy_listening(setup, binary, listener, cluster):
    config = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    path = write(setup.directory / "envoy.json", json.dumps(config))
    # Without hot restart, so that another Envoy on the machine does not matter.
    quiet = ["--log-level", "error", "--disable-hot-restart"]
    return [binary, "-c", path, "--concurrency", str(setup.workers)] + quiet


def upstream(setup, binary):
    """An nginx that serves all the cases. `/post` answers only after the whole body: `return` alone would not wait
    for it, `mirror` does, and the static handler's 405 then becomes the answer."""
    root = setup.directory / "www"
    root.mkdir(exist_ok=True)
    (root / "64k").write_bytes(b"x" * 64 * KIB)
    (root / "1m").write_bytes(b"x" * MIB)
    (root / "post").write_bytes(b"")
    body = f"""
    # the upstream never ends a connection: that would be noise in the proxies' figures
    keepalive_requests {ENDLESS};
    http2_max_concurrent_streams 1000;
    open_file_cache max=16;
    sendfile on;
    client_body_buffer_size 128k;
    server {{
        listen 127.0.0.1:{setup.port}{" http2" * (setup.upstream == "h2")};
        default_type text/plain;
        location / {{ return 200 "ok\\n"; }}
        location = /64k {{ root {root}; }}
        location = /1m {{ root {root}; }}
        location = /post {{ root {root}; mirror /mirror; error_page 405 =200 @done; }}
        location = /mirror {{ internal; return 204; }}
        location @done {{ return 200 "ok\\n"; }}
    }}"""
    return nginx_command(setup, binary, "upstream", nginx_http(setup, "upstream", body))


def grpc_upstream(setup, binary):
    return [binary, f"--port={setup.port}", "--use_tls=false"]


def nginx_http(setup, name, body):
    """What the upstream and the proxy have in common."""
    temporary = "".join(
        f"{kind}_temp_path {setup.directory}/{name}-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
http {{
    access_log off;
    keepalive_timeout 300s;
    {temporary}
    {body}
}}"""


def nginx_command(setup, binary, name, body, load=""):
    """As root, nginx would change to a user who may not read the working directory, so it is told to stay who it is. It
    closes idle connections once fewer than a sixteenth of worker_connections are free, hence some more than asked for."""
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = f"""
{load}
{user}
daemon off;
worker_processes {setup.workers};
pid {setup.directory}/{name}.pid;
events {{ worker_connections {setup.max_connections * 8 // 7}; }}
{body}
"""
    path = write(setup.directory / f"{name}.conf", config)
    return [binary, "-e", "stderr", "-p", str(setup.directory), "-c", path]


COMMANDS = {"nuncio": nuncio, "haproxy": haproxy, "nginx": nginx, "envoy": envoy}
