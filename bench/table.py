"""Writes the tables of docs/performance.md from the JSON of the runs: `python bench/table.py`."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
PAGES = HERE / "results" / "pages.json"
#: CPU ms a request and figures of an installation, from the project's decisions; None: no target was set.
TARGETS = {
    "list of 50, first page": 3,
    "list of 50, by state": 3,
    "list of 50, far page": 3,
    "page: list of 50": 8,
    "create": 5,
    "state change": 5,
}
FIGURES = {
    "new_estate_ms": ("new estate with all departments, ms", 100),
    "enable_ms": ("enable a plugin, ms", 50),
    "empty_estate_kb": ("disk of a further empty estate, kB", 100),
    "cold_start_s": ("cold start to the first answer, s", 1.0),
    "idle_pss_mb": ("idle memory of all that answers requests, MB PSS", 90),
}


def runs():
    found = [json.loads(path.read_text()) for path in (HERE / "results").glob("*.json") if path != PAGES]
    return sorted(found, key=lambda run: (run["rows"], run["half"]))


def title(run):
    return f"{run['rows']:,} rows" + (", half in the measured estate" if run["half"] else "")


def tables(found):
    heads = " | ".join([*map(title, found), "yardsticks"])
    lines = [f"| CPU ms a request | target | {heads} |", "|---|---|---|" + "---|" * len(found)]
    for work, last in found[-1]["requests"].items():
        cells = " | ".join(str(run["requests"].get(work, {}).get("cpu_ms", "–")) for run in found)
        lines.append(f"| {work} | {TARGETS.get(work, '–')} | {cells} | {last['times_yardstick']} |")
    lines += ["", "| figure | target | " + " | ".join(map(title, found)) + " |", "|---|---|" + "---|" * len(found)]
    for name, (label, target) in FIGURES.items():
        lines.append(f"| {label} | {target} | " + " | ".join(str(run[name]) for run in found) + " |")
    last = found[-1]
    lines += ["", f"The yardstick is {last['yardstick_ms']} ms.", ""]
    lines += [f"With {title(last)}:", ""]
    lines += ["| work | p50 / p95 ms, 1 client | requests/s, 1 client | p95 ms, 8 clients | requests/s, 8 clients |"]
    lines += ["|---|---|---|---|---|"]
    for work, one in last["requests"].items():
        lines.append(
            f"| {work} | {one['p50_ms_1']} / {one['p95_ms_1']} | {one['rps_1']} | {one['p95_ms_8']} | {one['rps_8']} |"
        )
    lines += ["", "What a visitor waits for, in a browser behind a slow 4G network (`python bench/pages.py`):", ""]
    lines += [
        "| page | largest paint, first visit, ms (target 1,500) | again, ms | slowest interaction, ms (target 100) |"
    ]
    lines += ["|---|---|---|---|"]
    for page, one in json.loads(PAGES.read_text()).items():
        lines.append(f"| {page} | {one['lcp_first_ms']} | {one['lcp_again_ms']} | {one['inp_ms']} |")
    return "\n".join(lines)


def main():
    text = PAGE.read_text("utf-8")
    between = r"(<!-- figures -->\n).*(<!-- end of figures -->)"
    PAGE.write_text(re.sub(between, lambda m: f"{m[1]}{tables(runs())}\n{m[2]}", text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
