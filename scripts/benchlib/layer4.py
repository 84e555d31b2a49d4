"""The configurations of the cases that carry bytes or datagrams, and the commands of their upstreams. See configs for
the terms.

Over TCP all of them pass on the end of one direction and keep the other: nginx has to be told to. HAProxy also runs
with the kernel's splice, which it does not use unless asked. A UDP session ends after a minute of silence, as nuncio
and Envoy have it: nginx has to be told to. HAProxy has no UDP.
"""

import json

from . import configs, tools


def nuncio(setup, binary):
    listener = {"address": f"127.0.0.1:{setup.port}", "routes": [{"cluster": "app"}]}
    listener["protocol"] = "udp" if setup.client == "datagrams" else "tcp"
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
    load = f"load_module {tools.NGINX_STREAM};" if tools.NGINX_STREAM.exists() else ""
    udp = setup.client == "datagrams"
    body = f"""
    upstream app {{ server 127.0.0.1:{setup.upstream_port}; }}
    server {{
        listen 127.0.0.1:{setup.port}{" ssl" * bool(setup.tls)}{" udp" * udp} reuseport;
        {configs.nginx_tls(setup)}
        {"proxy_timeout 60s" if udp else "proxy_half_close on"};
        proxy_pass app;
    }}"""
    return configs.nginx_command(setup, binary, "nginx", f"stream {{ {body} }}", load)


def envoy(setup, binary):
    if setup.client == "datagrams":
        return envoy_udp(setup, binary)
    package = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": package, "stat_prefix": "bench", "cluster": "app"}
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    return configs.envoy_command(setup, binary, {"filters": filters}, configs.envoy_cluster(setup))


def envoy_udp(setup, binary):
    """Sessions are made by a filter of the listener; there is no chain of filters."""
    package = "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3"
    route = {"@type": f"{package}.Route", "cluster": "app"}
    proxy = {
        "@type": f"{package}.UdpProxyConfig",
        "stat_prefix": "bench",
        "matcher": {"on_no_match": {"action": {"name": "route", "typed_config": route}}},
    }
    filters = [{"name": "envoy.filters.udp_listener.udp_proxy", "typed_config": proxy}]
    listener = {"address": configs.envoy_address(setup.port), "listener_filters": filters}
    listener["address"]["socket_address"]["protocol"] = "UDP"
    return configs.envoy_listening(setup, binary, listener, configs.envoy_cluster(setup))


def upstream(setup, binary):
    return [binary, "serve", str(setup.port)]


def udp_upstream(setup, binary):
    return [binary, "echo", str(setup.port)]


COMMANDS = {"nuncio": nuncio, "haproxy": haproxy, "haproxy_splice": haproxy_splice, "nginx": nginx, "envoy": envoy}
