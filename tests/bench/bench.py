#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make bench: nswatch against tcpdump, dumpcap and tshark. See README."""

import datetime
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys

import arena
import rows
import stats
import tools
from arena import BenchError

FEW = 6  # with fewer rounds the intervals are hardly more than ranges

PARAMS = ("size", "snap", "flows", "filter", "rate", "packets", "buffer", "every",
          "rare_port", "gap_us")


def setting(name, default=None):
    return os.environ.get(name) or default


def chosen_rows():
    words = setting("ROWS", "").replace(",", " ").split()
    if not words:
        return rows.ROWS
    number = {row.name: re.match(r"\d+", row.name).group() for row in rows.ROWS}
    for word in words:
        if word not in number and word not in number.values():
            raise BenchError(f"no row {word}; there are {' '.join(number)}")
    return [row for row in rows.ROWS if row.name in words or number[row.name] in words]


def known_tools():
    nswatch = setting("NSWATCH", "./nswatch")
    found = {
        "nswatch": tools.Nswatch("nswatch", nswatch),
        "tcpdump": tools.Tcpdump("tcpdump"),
        "tcpdump'": tools.Tcpdump("tcpdump'"),
        "dumpcap": tools.Dumpcap("dumpcap"),
        "tshark": tools.Tshark("tshark"),
    }
    if setting("OTHER"):
        found["other"] = tools.Nswatch("other", setting("OTHER"))
    wanted = setting("TOOLS", ",".join(found)).replace(",", " ").split()
    for name in wanted:
        if name not in found:
            raise BenchError(f"no tool {name}; there are {' '.join(found)}")
    missing = [name for name in wanted if not found[name].available()]
    if missing:
        raise BenchError(f"not installed: {' '.join(missing)}; leave it out with TOOLS=")
    return {name: tool for name, tool in found.items() if name in wanted}


def tools_of(row, known, quick):
    """Quick: only those that a target names, and tcpdump."""
    needed = {"tcpdump", *(target.against for target in row.targets)}
    names = ["nswatch", "other", *(n for n in row.tools if n in needed or not quick)]
    names += ["tcpdump'"] if row.twice else []
    return [known[name] for name in names if name in known]


def rotate(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def rounds_of(row, quick):
    if setting("ROUNDS"):
        return int(setting("ROUNDS"))
    if row.fixed:
        return 1 if quick else 3
    return 2 if quick else 11


def split(value):
    """Every measure's value as {part: number}, and the share lost."""
    lost = None
    if isinstance(value, tuple):
        value, lost = value
    return (value if isinstance(value, dict) else {"": value}), lost


def collect(row, bench, known, quick):
    """{part: {tool: [value of each round]}}, {tool: [share lost]}"""
    columns, losses = {}, {}
    taken = tools_of(row, known, quick)
    for number in range(rounds_of(row, quick)):
        found = row.measure(bench, row.setup, rotate(taken, number))
        for name, value in found.items():
            parts, lost = split(value)
            for part, x in parts.items():
                columns.setdefault(part, {}).setdefault(name, []).append(x)
            if lost is not None:
                losses.setdefault(name, []).append(lost)
    return columns, losses


def without_ratio(ours, theirs):
    """Where there is nothing to divide by: no loss at all, or a cost that
    drowned in the noise."""
    if theirs < 0:
        return "no ratio: less than the noise"
    return "met" if ours <= 0 else "FALLS SHORT"


def mark_loss(target, losses):
    """A tool that loses packets does less: its figure flatters it."""
    if target["against"] not in losses or "nswatch" not in losses:
        return
    more = stats.median(losses["nswatch"]) - stats.median(losses[target["against"]])
    if abs(more) > 0.01:
        loser = "nswatch" if more > 0 else target["against"]
        target["verdict"] += f" ({loser} lost more)"


def compare(column, target):
    """A target as a dictionary, or None if a tool that it needs was left out."""
    ours = column.get("nswatch")
    if not ours or (target.against and target.against not in column):
        return None
    out = {"against": target.against, "sense": target.sense, "target": target.limit}
    if not target.against:
        value, low, high = stats.median(ours), min(ours), max(ours)
    else:
        theirs = column[target.against]
        found = stats.ratio(ours, theirs)
        if found is None:
            out["verdict"] = without_ratio(stats.median(ours), stats.median(theirs))
            return out
        value, low, high = found
    if value < 0:
        out["verdict"] = "no ratio: less than the noise"
        return out
    out.update(value=value, low=low, high=high,
               verdict=stats.verdict(value, low, high, target.sense, target.limit))
    if len(ours) < FEW and high > low:
        out["verdict"] += " (few rounds)"
    return out


def noise(column):
    if "tcpdump" not in column or "tcpdump'" not in column:
        return None
    return stats.ratio(column["tcpdump'"], column["tcpdump"])


def results_of(row, columns, losses):
    for part, column in columns.items():
        targets = [c for c in (compare(column, t) for t in row.targets) if c]
        for target in targets:
            mark_loss(target, losses)
        yield {
            "row": row.name + (f" {part}" if part else ""),
            "title": row.title + (f", {part}" if part else ""),
            "unit": row.unit,
            "setup": row.setup,
            "median": {name: stats.median(values) for name, values in column.items()},
            "lost": {name: stats.median(values) for name, values in losses.items()},
            "samples": column,
            "noise": noise(column),
            "targets": targets,
        }


# Printing

COLUMNS = ("none", "nswatch", "other", "tcpdump", "dumpcap", "tshark")


def shown(value):
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_header(columns, params):
    if params:
        print("instead of the rows' own:", " ".join(f"{k}={v}" for k, v in params.items()))
    print(f"{'row':8} {'measure':48} {'unit':8}" + "".join(f"{c:>9}" for c in columns))


def print_result(result, columns):
    print(f"{result['row']:8} {result['title']:48} {result['unit']:8}"
          + "".join(f"{shown(result['median'].get(c)):>9}" for c in columns))
    for c in result["targets"]:
        against = f" x {c['against']}" if c["against"] else ""
        figure = "     "
        if "value" in c:
            figure = f"{c['value']:.2f} [{c['low']:.2f}, {c['high']:.2f}]"
        print(f"{'':9}{figure}{against}, target {c['sense']} {c['target']}: {c['verdict']}")
    if result["noise"]:
        print(f"{'':9}A/A {result['noise'][0]:.2f} "
              f"[{result['noise'][1]:.2f}, {result['noise'][2]:.2f}]: tcpdump against itself")
    if result["rates"]:
        print(f"{'':9}millions a second: "
              + ", ".join(f"{name} {rate / 1e6:.2f}" for name, rate in result["rates"].items()))
    dropped = [f"{name} {100 * share:.2g} %" for name, share in result["lost"].items()
               if share >= 0.00005]
    if dropped:
        print(f"{'':9}packets lost in this: {', '.join(dropped)}")
    sys.stdout.flush()


# The profile behind a row that falls short

def profile(row, bench, known):
    """Where the time goes, on both cores, with nswatch and with tcpdump."""
    wanted = setting("PROFILE", "0" if bench.quick else "1") != "0"
    if not wanted or not shutil.which("perf") or row.measure not in rows.PROFILED:
        return []
    paths, quick = [], bench.quick
    for tool in tools_of(row, known, quick):
        if tool.name not in ("nswatch", "tcpdump"):
            continue
        data = os.path.join(bench.arena.tmp, "perf.data")
        path = os.path.join(setting("OUT", "."), f"profile-{row.name}-{tool.name}.txt")
        bench.load_prefix = ("perf", "record", "-q", "-a", "-F", "999", "-e", "cpu-clock",
                             "-o", data, "--")
        bench.quick = False
        try:
            row.measure(bench, row.setup, [tool])
        finally:
            bench.load_prefix = ()
            bench.quick = quick
        with open(path, "w") as f:
            subprocess.run(["perf", "report", "--stdio", "-q", "-i", data, "--sort",
                            "cpu,comm,dso,symbol", "--percent-limit", "0.5", "--percentage",
                            "relative", "--comms", ",".join(("load", *tool.comms))],
                           stdout=f, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        os.unlink(data)
        paths.append(path)
    return paths


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    return {"kernel": platform.release(), "cpu": model.group(1) if model else platform.machine(),
            "cores": os.cpu_count(), "load": os.getloadavg()}


def measure_rows(bench, known, quick):
    columns = [c for c in COLUMNS if c == "none" or c in known]
    results = []
    print_header(columns, {k.upper(): v for k, v in bench.params.items() if v is not None})
    for row in chosen_rows():
        try:
            bench.arena.set_gro(row.measure in rows.WITH_GRO)
            bench.begin_row()
            for result in results_of(row, *collect(row, bench, known, quick)):
                result["rates"] = {n: stats.median(r) for n, r in bench.rates.items()}
                print_result(result, columns)
                results.append(result)
            if bench.arrived < 0.999 * bench.offered:
                print(f"{'':9}the link took {bench.arrived} of {bench.offered} packets offered")
            if any("SHORT" in c["verdict"] for c in results[-1]["targets"]):
                results[-1]["profiles"] = profile(row, bench, known)
                for path in results[-1]["profiles"]:
                    print(f"{'':9}profile: {path}")
        except BenchError as e:
            print(f"{row.name:8} {row.title}: not measured: {e}", flush=True)
            results.append({"row": row.name, "title": row.title, "error": str(e)})
    return results


def finite(value):
    """JSON has no infinity: null."""
    if isinstance(value, dict):
        return {key: finite(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def save(report):
    directory = setting("OUT", ".")
    path = setting("JSON", os.path.join(directory, "bench.json"))
    with open(path, "w") as f:
        json.dump(finite(report), f, indent=1, allow_nan=False)
        f.write("\n")
    print(f"written to {path}")


def main():
    quick = bool(setting("QUICK"))
    known = known_tools()
    chosen_rows()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("needs two cores: one for the load, one for the tool")
    # FILTER may be empty, which is no filter; elsewhere empty is not given.
    params = {key: os.environ.get(key.upper()) for key in PARAMS}
    report = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
              "machine": machine(), "quick": quick,
              "versions": {t.name: t.version() for t in known.values() if "'" not in t.name},
              "params": {key: value for key, value in params.items() if value is not None}}
    arena.confine()
    with arena.Arena(setting("LOAD", ".output/bench/load"), int(setting("GEN_CPU", cores[0])),
                     int(setting("TOOL_CPU", cores[-1]))) as where:
        report["cpus"] = {"load": where.gen_cpu, "tool": where.tool_cpu}
        report["rows"] = measure_rows(rows.Bench(where, known, params, quick), known, quick)
    save(report)
    return 1 if any("error" in row for row in report["rows"]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as e:
        print(f"bench: {e}", file=sys.stderr)
        sys.exit(1)
