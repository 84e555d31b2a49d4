"""The load: wrk, h2load, ghz, l4load and udp_load, all bounded in time and number; and a few requests to see that the
answers are right.

Each driver has two functions: one for some seconds of load, and one for a number of requests on one connection.
"""

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

from . import tools
from .processes import die_with_parent

SCRIPT = Path(__file__).with_name("wrk.lua")
PROTO = Path(__file__).with_name("interop.proto")
CALL = "grpc.testing.TestService/UnaryCall"


def run(case, port, seconds):
    """So many seconds of the case: requests, bytes, seconds, p50_us, p99_us, errors; OSError without a result."""
    return DRIVERS[case.driver][0](case, port, seconds)


def requests(case, port, count):
    """So many requests of the case on one connection; raises OSError when an answer is wrong."""
    DRIVERS[case.driver][1](case, port, count)


def output(command, seconds):
    """What a driver prints; raises OSError when it fails, TimeoutExpired when it does not end."""
    # A new session keeps Ctrl-C from it; `run` ends it when the script is interrupted.
    apart = {"start_new_session": True, "preexec_fn": die_with_parent}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, **apart)
    if done.returncode != 0:
        raise OSError(f"{Path(command[0]).name}: status {done.returncode}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return done.stdout


def http_requests(case, port, count):
    """One after the other."""
    headers = {"Connection": "close"} if case.close else {}
    body = b"x" * case.request_bytes or None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if case.tls:
        anybody = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=anybody)
    try:
        for _ in range(count):
            # http.client connects again by itself when the answer closed the connection.
            connection.request(case.method, case.path, body=body, headers=headers)
            response = connection.getresponse()
            length = len(response.read())
            if (response.status, length) != (200, case.response_bytes):
                raise OSError(f"{case.method} {case.path}: status {response.status} with {length} bytes")
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"{case.method} {case.path}: {error!r}") from error
    finally:
        connection.close()


def url(case, port):
    return f"http{'s' * case.tls}://127.0.0.1:{port}{case.path}"


def run_wrk(case, port, seconds):
    command = [tools.find("wrk"), "-t1", f"-c{case.connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    words = [case.method, case.request_bytes, int(case.close), case.path, case.routes]
    command += [url(case, port), "--"] + [str(word) for word in words]
    said = output(command, seconds)
    found = re.search(r"^BENCH (.*)$", said, re.MULTILINE)
    if not found:
        raise OSError(f"wrk: {said}")
    result = json.loads(found[1])
    result["errors"] = {kind: result.pop(kind) for kind in ("connect", "read", "write", "timeout", "status")}
    return result


def h2load(case, port, seconds, *words):
    """Its counts. "2xx" and "failed" are requests, "data" bytes of bodies; `per_second` is of those that succeeded."""
    command = [tools.find("h2load"), "-t1", *words]
    if case.window_bits:
        command += [f"-w{case.window_bits[0]}", f"-W{case.window_bits[1]}"]
    said = output(command + [url(case, port)], seconds)
    lines = re.findall(r"^(?:requests|status codes): (.*)$", said, re.MULTILINE)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", " ".join(lines))}
    rate = re.search(r"^finished in .*, ([\d.]+) req/s", said, re.MULTILINE)
    data = re.search(r"^traffic: .*\((\d+)\) data$", said, re.MULTILINE)
    if "succeeded" not in counts or "2xx" not in counts or not rate or not data:
        raise OSError(f"h2load: {said[-1000:]}")
    return counts | {"data": int(data[1]), "per_second": float(rate[1])}


def run_h2load(case, port, seconds):
    log = tools.RUN_DIR / "h2load.log"
    log.unlink(missing_ok=True)  # it would append
    words = [f"-c{case.connections}", f"-m{case.streams}", f"-D{seconds}", f"--log-file={log}"]
    counts = h2load(case, port, seconds, *words)
    # start time, status or -1, microseconds
    rows = (line.split() for line in log.read_text().splitlines())
    times = sorted(int(row[2]) for row in rows if row[1] == "200")
    done = counts["succeeded"]
    return {
        "requests": done,
        "bytes": counts["data"],
        "seconds": done / counts["per_second"] if done else seconds,
        "p50_us": percentile(times, 50),
        "p99_us": percentile(times, 99),
        # "failed" has the 4xx and 5xx too, but not what is under way when the time is up.
        "errors": {kind: counts[kind] for kind in ("failed", "3xx")},
    }


def percentile(times, percent):
    return times[min(len(times) - 1, len(times) * percent // 100)] if times else 0


def h2load_requests(case, port, count):
    counts = h2load(case, port, 30, "-c1", f"-m{case.streams}", f"-n{count}")
    if counts["2xx"] != count or counts["data"] != count * case.response_bytes:
        raise OSError(f"{count} x {case.path}: {counts}")


def ghz(case, port, seconds, *words):
    """Its report. All calls are alike: a message of `request_bytes` for one of `response_bytes`."""
    payload = base64.b64encode(b"x" * case.request_bytes).decode()
    data = json.dumps({"response_size": case.response_bytes, "payload": {"body": payload}})
    what = [f"--proto={PROTO}", f"--call={CALL}", f"--data={data}"]
    command = [tools.ghz(), "--insecure", "--cpus=1", "--format=json", *what, *words, f"127.0.0.1:{port}"]
    said = output(command, seconds)
    try:
        return json.loads(said)
    except ValueError as error:
        raise OSError(f"ghz: {error}: {said[-1000:]}") from error


def run_ghz(case, port, seconds):
    calls = case.connections * case.streams
    how_many = [f"--connections={case.connections}", f"--concurrency={calls}"]
    report = ghz(case, port, seconds, *how_many, f"--duration={seconds}s", "--duration-stop=wait")
    times = sorted(call["latency"] // 1000 for call in report["details"] if call["status"] == "OK")
    good = report["statusCodeDistribution"].get("OK", 0)
    return {
        "requests": good,
        "bytes": good * case.response_bytes,
        "seconds": report["total"] / 1e9,
        "p50_us": percentile(times, 50),
        "p99_us": percentile(times, 99),
        "errors": {"status": report["count"] - good},
    }


def ghz_calls(case, port, count):
    report = ghz(case, port, 30, "--connections=1", f"--concurrency={min(count, case.streams)}", f"--total={count}")
    if report["statusCodeDistribution"] != {"OK": count}:
        raise OSError(f"{count} x {CALL}: {report['statusCodeDistribution']} {report['errorDistribution']}")


def l4load(case, port, seconds, *words):
    """Its counts. A request is a connection here."""
    words += ("-tls",) * case.tls
    said = output([tools.l4load(), *words, case.work, str(port), str(case.connections), str(seconds)], seconds)
    return json.loads(said)


def l4load_connections(case, port, count):
    """So many connections in turn, or pieces of a stream each way."""
    done = l4load(replace(case, connections=1), port, 30, f"-count={count}")
    if any(done["errors"].values()) or done["requests"] not in (1, count):
        raise OSError(f"{case.work}: {done}")


def run_udp(case, port, seconds):
    words = [port, case.connections, case.streams, case.request_bytes, seconds]
    result = json.loads(output([tools.udp_load(), "run", *map(str, words)], seconds))
    # A datagram may be lost on a busy machine; many are not lost by chance.
    if result["errors"]["lost"] <= result["requests"] // 1000:
        result["errors"]["lost"] = 0
    return result


def udp_requests(case, port, count):
    datagram = b"x" * case.request_bytes
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        for _ in range(count):
            client.send(datagram)
            if client.recv(65536) != datagram:
                raise OSError("another datagram came back")


DRIVERS = {
    "wrk": (run_wrk, http_requests),
    "h2load": (run_h2load, h2load_requests),
    "ghz": (run_ghz, ghz_calls),
    "l4load": (l4load, l4load_connections),
    "udp_load": (run_udp, udp_requests),
}
