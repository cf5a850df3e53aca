"""The marks of speed.md, what was reached of them, and the tables of a run."""

import os
import pathlib
import platform
from dataclasses import dataclass


@dataclass
class Mark:
    number: int
    text: str
    # The most milliseconds that the median may take.
    most: float = float("inf")
    # How many times as fast as the better of `against` at least.
    ratio: float = 0.0
    against: tuple = ("duckdb", "clickhouse")


MARKS = {
    "list": Mark(1, "≤ 2 ms and 5 times the better peer", most=2.0, ratio=5.0),
    "aggregate": Mark(2, "5 times the better peer", ratio=5.0),
    "scan": Mark(3, "not slower than the better peer", ratio=1.0),
    "words": Mark(3, "5 times the better peer that scans", ratio=5.0, against=("duckdb", "clickhouse, scan")),
    "rare substring": Mark(3, "≤ 10 ms", most=10.0),
    "frequent substring": Mark(3, "within 2 times of DuckDB and ≥ 3 GB/s", ratio=0.5, against=("duckdb",)),
    "export": Mark(6, "as fast as DuckDB", ratio=1.0, against=("duckdb",)),
}
RAW_BYTES_PER_SECOND = 3e9
WIDTH = 46


def machine():
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {gibibytes:.0f} GiB, {platform.system()} {platform.release()}"


def better(result, names, kind="first"):
    """The better median of these peers, in milliseconds; `None` if none was asked."""
    return min((result["sides"][name][kind]["p50"] for name in names if name in result["sides"]), default=None)


def judge(result, raw_bytes):
    """Adds the ratios and whether the mark is reached. `raw_bytes`: of the largest tenant's records."""
    mark = MARKS[result["mark"]]
    ours = result["sides"]["annals"]["first"]["p50"]
    peer, against = better(result, ["duckdb", "clickhouse"]), better(result, mark.against)
    result["ratio"] = peer / ours if peer else None
    again = better(result, ["duckdb", "clickhouse"], "repeated")
    result["ratio_repeated"] = again / result["sides"]["annals"]["repeated"]["p50"] if again else None
    result["mark_ms"] = min(mark.most, against / mark.ratio if against and mark.ratio else float("inf"))
    if result["mark"] == "frequent substring":
        result["raw_bytes_per_second"] = raw_bytes / (ours / 1000)
        result["mark_ms"] = min(result["mark_ms"], raw_bytes / RAW_BYTES_PER_SECOND * 1000)
    judged = mark.most < float("inf") or against is not None
    result["reached"] = (ours <= result["mark_ms"] and not result["differ"]) if judged else None
    if result["mark_ms"] == float("inf"):
        result["mark_ms"] = None
    return result


def whole_marks(figures, events):
    """Marks of the store as a whole: number, text, what was measured, reached."""
    annals = figures["annals"]
    memory = max(annals["peak_rss"], annals["rss_peak_while_asked"])
    return [
        (4, "ingest ≥ 100,000 events/s, acknowledged", f"{annals['events_per_second']:,.0f}/s", annals["events_per_second"] >= 100_000),
        (4, "memory < 2 GiB", f"{memory / 2**30:.2f} GiB", memory < 2 * 2**30),
        (4, "fresh within 1 s", f"{annals['freshness_ms']:.1f} ms", annals["freshness_ms"] < 1000),
        (5, "≤ 200 B/event", f"{annals['bytes']['live']:.0f} B", annals["bytes"]["live"] <= 200),
        (7, f"opening {events:,} events < 1 s", f"{annals['start_seconds']:.2f} s", annals["start_seconds"] < 1),
    ]


def number(value):
    return "–" if value is None else f"{value:.{2 if value < 100 else 0}f}"


def said(reached):
    return {True: "reached", False: "NOT", None: "–"}[reached]


def header():
    return (
        f"| {'question':{WIDTH}} | annals p50 | p95 | p99 | again | duckdb p50 | p95 | again | clickhouse p50 | p95 | again | ratio | again | mark |\n"
        f"|{'-' * (WIDTH + 2)}|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    )


def row(result):
    def cell(side, kind, of):
        return number(result["sides"][side][kind][of]) if side in result["sides"] else "–"

    cells = [cell("annals", "first", of) for of in ["p50", "p95", "p99"]] + [cell("annals", "repeated", "p50")]
    for peer in ["duckdb", "clickhouse"]:
        cells += [cell(peer, "first", "p50"), cell(peer, "first", "p95"), cell(peer, "repeated", "p50")]
    cells += [number(result["ratio"]), number(result["ratio_repeated"])]
    mark = f"{MARKS[result['mark']].number} {said(result['reached'])}"
    if "clickhouse, scan" in result["sides"]:
        mark += f" (ClickHouse without its text index {cell('clickhouse, scan', 'first', 'p50')})"
    if "raw_bytes_per_second" in result:
        mark += f" ({result['raw_bytes_per_second'] / 1e9:.2f} GB/s)"
    if result["differ"]:
        mark += f", ANSWERS DIFFER in {result['differ']} asks"
    return f"| {result['question']:{WIDTH}} | {' | '.join(cells)} | {mark} |"


def stores(figures, events):
    """The table of loading, disk and memory."""
    annals = figures["annals"]

    def mib(value):
        return f"{value / 2**20:,.0f}"

    lines = [
        "| store | load s | events/s | B/event | peak MiB loading | peak MiB asked | start s |", "|---|--:|--:|--:|--:|--:|--:|",
        f"| annals, over HTTP, acknowledged = durable | {annals['seconds']:.1f} | {annals['events_per_second']:,.0f} | {annals['bytes']['live']:.0f} "
        f"| {mib(annals['peak_rss'])} | {mib(annals['rss_peak_while_asked'])} | {annals['start_seconds']:.2f} |",
    ]
    for name, peer in figures["peers"].items():
        record = "" if peer["options"]["record"] else ", without the record"
        lines.append(
            f"| {name} {peer['version']}, from sorted Parquet{record} | {peer['seconds']:.1f} | {events / peer['seconds']:,.0f} "
            f"| {peer['bytes_per_event']:.0f} | {mib(peer['peak_rss_while_loading'])} | {mib(peer['rss_peak_while_asked'])} | – |"
        )
    kinds = ", ".join(f"{kind} {size:.1f}" for kind, size in annals["bytes"]["by_kind"].items() if size >= 0.05)
    rested = "at rest" if annals["settled"] else "NOT yet at rest"
    lines += [
        "",
        f"annals: bytes per event by kind of file: {kinds}; {annals['bytes']['replaced_not_yet_deleted']:.0f} more in files that merging has "
        f"replaced and that go after a day. {annals['segments']} segments, {rested} {annals['settled_seconds']:.0f} s after the first request; "
        f"{annals['records_in_a_request']:,} records a request over {annals['connections']} connections, {annals['request_p50_ms']:.0f} ms a request, "
        f"{annals['refused']} refused for a while (503)" + (", the generator beside it" if annals["generator_beside"] else "") + ".",
    ]
    return "\n".join(lines)


def verdict(results, figures, events):
    lines = ["| mark | what | measured | |", "|--:|---|--:|---|"]
    for name, mark in MARKS.items():
        of = [result for result in results if result["mark"] == name and result["reached"] is not None]
        if of:
            reached = sum(result["reached"] for result in of)
            lines.append(f"| {mark.number} | {name}: {mark.text} | {reached} of {len(of)} questions | {said(reached == len(of))} |")
    for place, text, measured, reached in whole_marks(figures, events):
        lines.append(f"| {place} | {text} | {measured} | {said(reached)} |")
    return "\n".join(lines)
