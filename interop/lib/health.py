"""What nuncio finds out of its hosts, for scripts about health checks."""

import json

from harness import check, equal, until

FAST = {"interval": "50ms", "no_traffic_interval": "50ms", "timeout": "2s", "unhealthy_threshold": 2}


def flags(proxy):
    """The flags of each host by cluster and address, as `/clusters` tells them."""
    found = {}
    for line in proxy.admin("/clusters")[1].splitlines():
        host, _, value = line.partition("::health_flags::")
        if value:
            cluster, _, address = host.partition("::")
            found[cluster, address] = value
    return found


def expect(proxy, claim, cluster, port, wanted, seconds=10):
    """Waits until a host has these flags."""
    host = cluster, f"127.0.0.1:{port}"
    check(claim, until(lambda: flags(proxy).get(host) == wanted, seconds), f"{flags(proxy).get(host)}, expected {wanted}")


def events(path):
    """The events that were logged, in order: kind and content."""
    with open(path) as log:
        lines = [json.loads(line) for line in log if line.endswith("\n")]
    return [(key, value) for line in lines for key, value in line.items() if key.endswith(("_event", "_host", "_failure"))]


def expect_events(claim, path, told, wanted, seconds=10):
    """Waits until the events that were logged are these. `told`: of kind and content, what matters. The log is written behind what it tells of."""
    seen = lambda: [told(*event) for event in events(path)]
    until(lambda: len(seen()) >= len(wanted), seconds)
    equal(claim, seen(), wanted)


HEALTHY, FAILED = "healthy", "/failed_active_hc"
