"""What is measured: one row a case, with the goals that stand for it."""

from dataclasses import dataclass

ROUTES = 10_000
IDLE_CONNECTIONS = 7_000
KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True)
class Goal:
    """An upper bound: for the figure itself, or, with peers, for its ratio to the best of them in a round."""

    metric: str
    limit: float
    peers: tuple = ()
    of: str = "nuncio"  # or one of its variants


@dataclass(frozen=True)
class Case:
    """`metrics` are those shown in the summary, the first is the one that ratios are made of."""

    name: str
    title: str
    # load: requests by the driver; idle: held connections; size: nothing runs; memory, churn, pick: see clusters.py
    kind: str = "load"
    # wrk: HTTP/1; h2load: HTTP/2 with prior knowledge; ghz: gRPC; l4load: bytes; udp_load: datagrams
    driver: str = "wrk"
    # h1 and h2: nginx; grpc: the gRPC project's interop server; bytes: l4load; datagrams: udp_load
    upstream: str = "h1"
    without: tuple = ()  # proxies that cannot do this
    only: tuple = ()  # proxies that it is about; empty: all
    variants: tuple = ()  # other set-ups of a proxy that take part
    work: str = ""  # of l4load
    tls: bool = False  # clients come with TLS 1.3; the certificate is ECDSA with P-256
    metrics: tuple = ("cpu_us_per_request",)
    method: str = "GET"
    path: str = "/"
    request_bytes: int = 0
    response_bytes: int = 3
    connections: int = 32
    streams: int = 1  # requests at a time on each connection
    window_bits: tuple = ()  # the HTTP/2 client's windows are 2^n - 1: of a stream, of a connection; empty: the driver's
    close: bool = False  # a new connection for each request
    routes: int = 0  # 0: one route for everything
    workers: int = 1
    goals: tuple = ()

    def concerns(self, proxy):
        return proxy not in self.without and (not self.only or proxy in self.only)

    @property
    def client(self):
        """What the load speaks to the proxies."""
        if self.driver == "l4load":
            return "bytes" if self.upstream == "bytes" else "h1"
        return {"wrk": "h1", "udp_load": "datagrams"}.get(self.driver, "h2")


PICKS = ("round_robin_ns", "least_request_ns", "maglev_ns")
UDP_GOALS = (Goal("cpu_us_per_request", 0.7, ("nginx",)), Goal("cpu_us_per_request", 0.5, ("envoy",)))

CASES = {
    case.name: case
    for case in (
        Case(
            "tiny_get",
            "GET of 3 bytes, keep-alive, 32 connections",
            goals=(
                Goal("cpu_us_per_request", 1.0, ("haproxy", "nginx")),
                Goal("cpu_us_per_request", 0.45, ("envoy",)),
            ),
        ),
        Case("get_64k", "GET of 64 KiB, keep-alive, 32 connections", path="/64k", response_bytes=64 * KIB),
        Case(
            "get_1m",
            # Fewer connections: what is under way when wrk stops was paid for and is not counted.
            "GET of 1 MiB, keep-alive, 16 connections",
            metrics=("cpu_us_per_mib", "cpu_us_per_request"),
            path="/1m",
            response_bytes=MIB,
            connections=16,
            goals=(Goal("cpu_us_per_mib", 1.0, ("haproxy", "nginx", "envoy")),),
        ),
        Case(
            "post_64k",
            "POST of 64 KiB, keep-alive, 32 connections",
            method="POST",
            path="/post",
            request_bytes=64 * KIB,
        ),
        Case(
            "new_connection",
            "GET of 3 bytes, a new connection for each request, 32 at a time",
            close=True,
            goals=(Goal("cpu_us_per_request", 1.0, ("haproxy", "nginx")),),
        ),
        Case(
            "routes_10k",
            "GET of 3 bytes through the last hundred of 10,000 prefix routes, 32 connections",
            path=f"/r{ROUTES - 1:05}/x",
            routes=ROUTES,
        ),
        Case("two_workers", "GET of 3 bytes, keep-alive, 32 connections, two workers", workers=2),
        Case(
            "h2_tiny_16x10",
            "HTTP/2 in, HTTP/1 out: GET of 3 bytes, 16 connections of 10 streams",
            driver="h2load",
            connections=16,
            streams=10,
            goals=(
                Goal("cpu_us_per_request", 1.0, ("haproxy",)),
                Goal("cpu_us_per_request", 0.6, ("nginx",)),
                Goal("cpu_us_per_request", 0.25, ("envoy",)),
            ),
        ),
        Case(
            "h2_tiny_1x100",
            "HTTP/2 in, HTTP/1 out: GET of 3 bytes, 1 connection of 100 streams",
            driver="h2load",
            connections=1,
            streams=100,
        ),
        Case(
            "h2_to_h2",
            "HTTP/2 in, HTTP/2 out: GET of 3 bytes, 16 connections of 10 streams",
            driver="h2load",
            upstream="h2",
            without=("nginx",),
            connections=16,
            streams=10,
            goals=(
                Goal("cpu_us_per_request", 1.0, ("haproxy",)),
                Goal("cpu_us_per_request", 0.6, ("envoy",)),
            ),
        ),
        Case(
            "h2_get_1m",
            "HTTP/2 in, HTTP/1 out: GET of 1 MiB, 4 connections of 4 streams, windows of 1 MiB and 16 MiB",
            driver="h2load",
            metrics=("cpu_us_per_mib", "cpu_us_per_request"),
            path="/1m",
            response_bytes=MIB,
            connections=4,
            streams=4,
            window_bits=(20, 24),
            goals=(Goal("cpu_us_per_mib", 1.0, ("haproxy", "nginx", "envoy")),),
        ),
        Case(
            "h2_get_1m_small_windows",
            "HTTP/2 in, HTTP/1 out: GET of 1 MiB, 4 connections of 4 streams, the protocol's windows of 64 KiB",
            driver="h2load",
            metrics=("cpu_us_per_mib", "cpu_us_per_request"),
            path="/1m",
            response_bytes=MIB,
            connections=4,
            streams=4,
            window_bits=(16, 16),
        ),
        Case(
            "grpc_unary",
            "gRPC: unary calls of 100 bytes each way, 4 connections of 16 calls",
            driver="ghz",
            upstream="grpc",
            request_bytes=100,
            response_bytes=100,
            connections=4,
            streams=16,
        ),
        Case(
            "tcp_throughput",
            "TCP: 4 connections, bytes both ways at once",
            driver="l4load",
            upstream="bytes",
            work="stream",
            variants=("haproxy_splice",),
            metrics=("cpu_us_per_mib", "mib_per_second"),
            connections=4,
            goals=(Goal("cpu_us_per_mib", 1.0, ("haproxy", "haproxy_splice", "nginx", "envoy")),),
        ),
        Case(
            "tcp_throughput_1",
            "TCP: 1 connection, bytes both ways at once",
            driver="l4load",
            upstream="bytes",
            work="stream",
            variants=("haproxy_splice",),
            metrics=("cpu_us_per_mib", "mib_per_second"),
            connections=1,
            goals=(Goal("cpu_us_per_mib", 1.0, ("haproxy", "haproxy_splice", "nginx", "envoy")),),
        ),
        Case(
            "tcp_connections",
            "TCP: connect, 32 bytes each way, close; 32 at a time",
            driver="l4load",
            upstream="bytes",
            work="connect",
            goals=(Goal("cpu_us_per_request", 1.0, ("haproxy", "nginx")),),
        ),
        Case(
            "tcp_tls",
            "TLS to TCP: 4 connections, bytes both ways at once",
            driver="l4load",
            upstream="bytes",
            work="stream",
            tls=True,
            metrics=("cpu_us_per_mib", "mib_per_second"),
            connections=4,
        ),
        Case(
            "udp",
            "UDP: 64 bytes and back, 32 clients with a datagram under way each",
            driver="udp_load",
            upstream="datagrams",
            without=("haproxy",),
            request_bytes=64,
            response_bytes=64,
            goals=UDP_GOALS,
        ),
        Case(
            "udp_burst",
            "UDP: 1,200 bytes and back, 4 clients with 16 datagrams under way each",
            driver="udp_load",
            upstream="datagrams",
            without=("haproxy",),
            request_bytes=1200,
            response_bytes=1200,
            connections=4,
            streams=16,
            goals=UDP_GOALS,
        ),
        Case(
            "tls_handshake_full",
            "TLS 1.3: connect, handshake in full (ECDSA P-256, X25519), close; 16 at a time",
            driver="l4load",
            work="handshake",
            tls=True,
            connections=16,
            goals=(Goal("cpu_us_per_request", 1.1, ("nginx",)),),
        ),
        Case(
            "tls_handshake_resumed",
            "TLS 1.3: connect, handshake with a ticket, close; 16 at a time",
            driver="l4load",
            work="resume",
            tls=True,
            connections=16,
        ),
        Case(
            "https_tiny",
            "HTTPS: GET of 3 bytes, keep-alive, 32 connections",
            tls=True,
            goals=(Goal("cpu_us_per_request", 1.0, ("haproxy", "nginx")),),
        ),
        Case(
            "https_tiny_h2",
            "HTTPS, HTTP/2 in, HTTP/1 out: GET of 3 bytes, 16 connections of 10 streams",
            driver="h2load",
            tls=True,
            connections=16,
            streams=10,
            goals=(Goal("cpu_us_per_request", 1.0, ("haproxy", "nginx")),),
        ),
        Case(
            "https_1m",
            "HTTPS: GET of 1 MiB, keep-alive, 16 connections",
            tls=True,
            metrics=("cpu_us_per_mib", "cpu_us_per_request"),
            path="/1m",
            response_bytes=MIB,
            connections=16,
        ),
        Case(
            "idle",
            "memory of one worker at rest, and of each of 7,000 idle keep-alive connections",
            kind="idle",
            metrics=("bytes_per_idle_connection", "rss_idle_mib"),
            goals=(Goal("rss_idle_mib", 6.0), Goal("bytes_per_idle_connection", KIB)),
        ),
        Case(
            "h2_idle",
            "memory of one worker at rest, and of each of 7,000 idle HTTP/2 connections",
            kind="idle",
            driver="h2load",
            metrics=("bytes_per_idle_connection", "rss_idle_mib"),
        ),
        Case(
            "tls_idle",
            "memory of one worker at rest, and of each of 7,000 idle keep-alive connections over TLS 1.3",
            kind="idle",
            tls=True,
            metrics=("bytes_per_idle_connection", "rss_idle_mib"),
            goals=(Goal("bytes_per_idle_connection", 12 * KIB),),
        ),
        Case(
            "clusters_policies",
            "tiny_get with health check, outlier detection, breaker, retry and shadow (0 %) that find nothing to do",
            only=("nuncio",),
            variants=("nuncio_policies",),
            goals=(Goal("cpu_us_per_request", 1.05, ("nuncio",), "nuncio_policies"),),
        ),
        Case(
            "clusters_memory",
            "memory of one worker with 100 clusters of 10 hosts, and without",
            kind="memory",
            only=("nuncio",),
            variants=("nuncio_clusters",),
            metrics=("rss_after_load_mib", "more_mib"),
            goals=(Goal("more_mib", 2.0, (), "nuncio_clusters"),),
        ),
        Case(
            "clusters_churn",
            "GET of 3 bytes to 5,000 hosts of one cluster, quiet and with 10 % of them changing every second",
            kind="churn",
            only=("nuncio",),
            metrics=("p99_us", "cpu_us_per_request"),
            goals=(Goal("p99_us", 1.5, ("nuncio",), "nuncio_churn"),),
        ),
        Case(
            "clusters_pick",
            "picking one of 1,000 hosts",
            kind="pick",
            only=("nuncio",),
            metrics=PICKS,
            goals=tuple(Goal(metric, 200) for metric in PICKS),
        ),
        Case(
            "size",
            "stripped binary, and crates in the runtime tree",
            kind="size",
            metrics=("binary_mib", "crates"),
            goals=(Goal("binary_mib", 3.0), Goal("crates", 75)),
        ),
    )
}
