"""What is measured: one row a case, with the goals that stand for it."""

from dataclasses import dataclass

ROUTES = 10_000
IDLE_CONNECTIONS = 7_000
KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True)
class Goal:
    """An upper bound: for nuncio's figure itself, or, with peers, for its ratio to the best of them in a round."""

    metric: str
    limit: float
    peers: tuple = ()


@dataclass(frozen=True)
class Case:
    """`metrics` are those shown in the summary, the first is the one that ratios are made of."""

    name: str
    title: str
    kind: str = "load"  # load: wrk; idle: held connections; size: nothing runs
    metrics: tuple = ("cpu_us_per_request",)
    method: str = "GET"
    path: str = "/"
    request_bytes: int = 0
    response_bytes: int = 3
    connections: int = 32
    close: bool = False  # a new connection for each request
    routes: int = 0  # 0: one route for everything
    workers: int = 1
    goals: tuple = ()


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
            "idle",
            "memory of one worker at rest, and of each of 7,000 idle keep-alive connections",
            kind="idle",
            metrics=("bytes_per_idle_connection", "rss_idle_mib"),
            goals=(Goal("rss_idle_mib", 6.0), Goal("bytes_per_idle_connection", KIB)),
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
