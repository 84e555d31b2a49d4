"""Medians, ratios and goals; the JSON file of a case and the Markdown table of all."""

import json
import os
import platform
import subprocess
import time
from statistics import median

from . import tools
from .cases import CASES

OUTPUT = tools.TARGET / "bench"
NAMES = {
    "nuncio": "nuncio",
    "haproxy": "HAProxy",
    "haproxy_splice": "HAProxy with splice",
    "nginx": "nginx",
    "nuncio_policies": "nuncio with policies",
    "nuncio_clusters": "nuncio with 100 clusters",
    "nuncio_churn": "nuncio with changing hosts",
    "envoy": "Envoy",
}
# metric: heading, digits after the point
COLUMNS = {
    "cpu_us_per_request": ("CPU us/request", 1),
    "cpu_us_per_mib": ("CPU us/MiB", 0),
    "requests_per_second": ("requests/s", 0),
    "mib_per_second": ("MiB/s", 0),
    "p50_us": ("p50 us", 0),
    "p99_us": ("p99 us", 0),
    "errors": ("errors", 0),
    "rss_idle_mib": ("RSS idle MiB", 1),
    "pss_idle_mib": ("PSS idle MiB", 1),
    "rss_after_load_mib": ("RSS after load MiB", 1),
    "more_mib": ("RSS more MiB", 2),
    "round_robin_ns": ("round robin ns", 0),
    "least_request_ns": ("least request ns", 0),
    "maglev_ns": ("maglev ns", 0),
    "rss_full_mib": ("RSS full MiB", 1),
    "connections": ("connections", 0),
    "bytes_per_idle_connection": ("bytes/idle connection", 0),
    "binary_mib": ("binary MiB", 2),
    "crates": ("crates", 0),
    "crates_without_proc_macros": ("crates without proc macros", 0),
}


def describe_run(programs, options):
    """Where and how it was measured."""
    model = "unknown"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=tools.ROOT, capture_output=True, text=True, check=False
    )
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": git.stdout.strip() or "unknown",
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "versions": {name: tools.version(name, path) for name, path in programs.items()},
        "rounds": options.rounds,
        "seconds": options.seconds,
    }


def values(result, name, metric):
    """One figure a round; errors are summed over their kinds."""
    found = [figures[name][metric] for figures in result["rounds"] if metric in figures.get(name, {})]
    return [sum(value.values()) if isinstance(value, dict) else value for value in found]


def typical(result, name, metric):
    """The median; of errors the sum, because one is too many. None without a figure."""
    found = values(result, name, metric)
    if not found:
        return None
    return sum(found) if metric == "errors" else median(found)


def ratio(result, metric, peers, of="nuncio"):
    """Median over the rounds of nuncio's figure, or of a variant's, by the best of the peers' in the same round."""
    ratios = []
    for figures in result["rounds"]:
        mine = figures.get(of, {}).get(metric)
        theirs = [figures.get(peer, {}).get(metric) for peer in peers]
        # A peer that is missing could have been the best one; a peer at zero allows no ratio.
        if mine is not None and all(theirs):
            ratios.append(mine / min(theirs))
    return median(ratios) if ratios else None


def judge(result, goal):
    """(figure, reached); None where it could not be measured."""
    value = ratio(result, goal.metric, goal.peers, goal.of) if goal.peers else typical(result, goal.of, goal.metric)
    return value, None if value is None else value <= goal.limit


def measured(results):
    """The proxies and variants that any of the results has."""
    return [name for name in NAMES if any(name in figures for result in results for figures in result["rounds"])]


def write_case(case, about, result):
    metric = case.metrics[0]
    present = measured([result])
    keys = [key for key in COLUMNS if any(values(result, name, key) for name in present)]
    text = {
        "case": case.name,
        "title": case.title,
        "about": about,
        "summary": {name: {key: typical(result, name, key) for key in keys} for name in present},
        "ratio_metric": metric,
        "ratios": {peer: ratio(result, metric, [peer]) for peer in present if peer != "nuncio"},
        "goals": [
            {"metric": goal.metric, "limit": goal.limit, "peers": goal.peers, "value": value, "reached": reached}
            for goal in case.goals
            for value, reached in [judge(result, goal)]
        ],
        **result,
    }
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / f"{case.name}.json").write_text(json.dumps(text, indent=1) + "\n")


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def markdown(rows):
    """Padded, so that it can be read in a terminal too."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows = [rows[0], ["-" * width for width in widths]] + rows[1:]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows)


def case_table(case, result):
    """All medians of a case, one row a proxy."""
    present = measured([result])
    keys = [key for key in COLUMNS if any(values(result, name, key) for name in present)]
    first = case.metrics[0]
    rows = [["proxy"] + [COLUMNS[key][0] for key in keys] + ["lowest - highest", "nuncio is x"]]
    for name in present:
        spread = values(result, name, first)
        digits = COLUMNS[first][1]
        rows.append(
            [NAMES[name]]
            + [number(typical(result, name, key), COLUMNS[key][1]) for key in keys]
            + [f"{number(min(spread), digits)} - {number(max(spread), digits)}" if spread else "-"]
            + ["" if name == "nuncio" else number(ratio(result, first, [name]), 2)]
        )
    text = markdown(rows)
    for goal in case.goals:
        value, reached = judge(result, goal)
        verdict = {None: "not measured", True: "reached", False: "MISSED"}[reached]
        text += f"\n\nGoal: {goal_text(goal)}; measured {number(value, 2)}: {verdict}."
    return text


def goal_text(goal):
    names = [NAMES[peer] for peer in goal.peers]
    against = " x " + "the best of " * (len(names) > 1) + ", ".join(names) if names else ""
    return f"{COLUMNS[goal.metric][0]} at most {goal.limit:g}{against}"


def summary_table(results):
    """One row a case and metric; behind each peer's figure the median ratio nuncio/peer."""
    present = measured([result for _, result in results])
    rows = [["case", "measure"] + [NAMES[name] for name in present] + ["goals"]]
    for case, result in results:
        for metric in case.metrics:
            heading, digits = COLUMNS[metric]
            cells = []
            for name in present:
                cell = number(typical(result, name, metric), digits)
                times = None if name == "nuncio" else ratio(result, metric, [name])
                cells.append(cell if times is None else f"{cell} (x {times:.2f})")
            goals = []
            for goal in case.goals:
                if goal.metric == metric:
                    mark = {None: "?", True: "reached", False: "MISSED"}[judge(result, goal)[1]]
                    against = " x " + "/".join(NAMES[peer] for peer in goal.peers) if goal.peers else ""
                    goals.append(f"{goal.limit:g}{against}: {mark}")
            rows.append([case.name, heading] + cells + ["; ".join(goals)])
    return markdown(rows)


def write_table():
    """From every case's last result, each with its date: a run of one case renews one section."""
    results, sections, about, versions = [], [], {}, {}
    for case in CASES.values():
        path = OUTPUT / f"{case.name}.json"
        if path.exists():
            result = json.loads(path.read_text())
            about = max(about, result["about"], key=lambda one: one.get("date", ""))
            versions |= result["about"]["versions"]
            results.append((case, result))
            heading = f"## {case.name}: {case.title}\n\n{how(result['about'], result)}"
            sections.append(f"{heading}\n\n{case_table(case, result)}\n")
    text = f"""# nuncio beside its peers

{about["cpu"]}, {about["cores"]} cores, Linux {about["kernel"]}. {", ".join(versions.values())}.

Medians over the rounds; in brackets the median over the rounds of the ratio nuncio/peer within one round: below 1,
nuncio needs less. CPU time is user and system of all processes of the proxy. No access log, one upstream (nginx; for
gRPC the gRPC project's interop server; for TCP and UDP the driver's other half), upstream keep-alive, no body on disk;
a load driver with one thread. RSS is summed over the processes, PSS counts a shared page once.

{summary_table(results)}

"""
    path = OUTPUT / "table.md"
    path.write_text(text + "\n".join(sections))
    return path.relative_to(tools.ROOT)


def how(about, result):
    """When, and how carefully: a quick result, or one from a busy machine, should be seen to be one."""
    disturbed = [cores for name in NAMES for cores in values(result, name, "cores_used_by_others")]
    others = f" Other programs used {sum(disturbed) / len(disturbed):.2f} cores meanwhile." if disturbed else ""
    failures = "".join(f"\n* FAILED {failure}" for failure in result["failures"])
    when = f"{about['date']}, commit {about['commit']}, {about['rounds']} rounds of {about['seconds']} s."
    return when + others + failures
