"""The configurations of the cases that carry bytes, and the command of their upstream. See configs for the terms.

All of them pass on the end of one direction and keep the other: nginx has to be told to. HAProxy also runs with the
kernel's splice, which it does not use unless asked.
"""

import json
from pathlib import Path

from . import configs


def nuncio(setup, binary):
    listener = {"address": f"127.0.0.1:{setup.port}", "protocol": "tcp", "routes": [{"cluster": "app"}]}
    if setup.tls:
        listener["tls"] = configs.nuncio_tls(setup)
    clusters = {"app": {"endpoints": [f"127.0.0.1:{setup.upstream_port}"]}}
    config = {"workers": setup.workers, "listeners": [listener], "clusters": clusters}
    return [binary, "run", configs.write(setup.directory / "nuncio.json", json.dumps(config))]


def haproxy(setup, binary, option="", name="haproxy"):
    config = f"""
global
    nbthread {setup.workers}
    maxconn {setup.max_connections}
defaults
    mode tcp
    {option}
    timeout connect 5s
    timeout client 300s
    timeout server 300s
listen bench
    bind 127.0.0.1:{setup.port}{configs.haproxy_tls(setup) if setup.tls else ""}
    server app 127.0.0.1:{setup.upstream_port}
"""
    return [binary, "-db", "-f", configs.write(setup.directory / f"{name}.cfg", config)]


def haproxy_splice(setup, binary):
    return haproxy(setup, binary, "option splice-auto", "haproxy_splice")


def nginx(setup, binary):
    # Debian's package has it as a module; elsewhere it may be built in.
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    load = f"load_module {module};" if module.exists() else ""
    body = f"""
    upstream app {{ server 127.0.0.1:{setup.upstream_port}; }}
    server {{
        listen 127.0.0.1:{setup.port}{" ssl" * bool(setup.tls)} reuseport;
        {configs.nginx_tls(setup)}
        proxy_half_close on;
        proxy_pass app;
    }}"""
    return configs.nginx_command(setup, binary, "nginx", f"stream {{ {body} }}", load)


def envoy(setup, binary):
    package = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": package, "stat_prefix": "bench", "cluster": "app"}
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    return configs.envoy_command(setup, binary, {"filters": filters}, configs.envoy_cluster(setup))


def upstream(setup, binary):
    return [binary, "serve", str(setup.port)]


COMMANDS = {"nuncio": nuncio, "haproxy": haproxy, "haproxy_splice": haproxy_splice, "nginx": nginx, "envoy": envoy}
