#!/usr/bin/env python3
"""Asks Annals, DuckDB and ClickHouse the same questions about the same events, in turn; compares answers, times, bytes.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt
    .venv/bin/python benches/compare/compare.py --events 1000000

| module | is for |
|---|---|
| load, server | making events, taking them in through HTTP, running and watching `annals serve` |
| peers, dialect | DuckDB and ClickHouse, each in its process and its best configuration; conditions in SQL |
| stage | all of that together, kept and reused with `--keep` |
| questions, shapes, draw | what is asked, how in URL and SQL, with which values |
| measure, report, picture | asking in turn and comparing; marks and tables; the SVG |
| growth, guard | Annals alone at several sizes; the check for CI |

What a time is: for Annals a request over a connection that is kept open, its body read and parsed as JSON; for a peer
the call and the fetching of Python objects, within its own process. Annals alone pays for HTTP and JSON, and its server
shares the cores with whoever asks. *First*: parameters that were not asked before; *again*: the same question at once.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import growth
import guard
import picture
import report
from measure import ask_all
from questions import QUESTIONS
from stage import Stage, note


def arguments():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description="Compares Annals with DuckDB and ClickHouse: same events, same questions, same answers.")
    add = parser.add_argument
    add("--annals", default=f"{target}/release/annals", metavar="BINARY", help="default: %(default)s")
    add("--events", type=int, metavar="N", help="default: 1000000, with --guard 200000")
    add("--seed", type=int, default=1, help="of events and parameters; default: %(default)s")
    add("--repeat", type=int, default=20, metavar="N", help="times that each question is asked with other parameters; default: %(default)s")
    add("--only", action="append", metavar="TEXT", help="only questions with this in their name or as their mark; may be repeated")
    add("--threads", type=int, default=os.cpu_count(), metavar="N", help="threads of each peer; default: all cores")
    add("--skip-clickhouse", action="store_true")
    add("--skip-duckdb", action="store_true")
    add("--clickhouse-text", choices=["index", "bloom"], default="index", help="how ClickHouse indexes the record; default: %(default)s")
    add("--duckdb-indexes", action="store_true", help="give DuckDB ART indexes on trace_id and resource_id")
    add("--duckdb-record", choices=["own", "zstd"], default="own", help="how DuckDB keeps the record: as it likes, or smaller; default: %(default)s")
    add("--no-record", action="store_true", help="load peers without the record, and do not ask them about texts: for very large sets")
    add("--batch", type=int, default=20_000, metavar="N", help="records in a request; default: %(default)s")
    add("--connections", type=int, default=3, metavar="N", help="connections that load; default: %(default)s")
    add("--settle", type=int, default=600, metavar="SECONDS", help="wait at most so long for sealing and merging; default: %(default)s")
    add("--growth", metavar="N,N,…", help="ask Annals alone at these sizes")
    add("--guard", action="store_true", help="a few questions against DuckDB; exit code 1 if a ratio is below its floor")
    add("--keep", metavar="DIR", help="keep the loaded data here, and use it again next time")
    add("--json", metavar="FILE", help="write the figures here")
    add("--svg", metavar="FILE", help="draw the picture here")
    args = parser.parse_args()
    if not shutil.which(args.annals):
        parser.error(f"{args.annals}: no such program; run cargo build --release, or name it with --annals")
    args.annals = str(pathlib.Path(shutil.which(args.annals)).resolve())
    args.events = args.events or (guard.EVENTS if args.guard else 1_000_000)
    if min(args.events, args.repeat, args.threads, args.batch, args.connections) < 1:
        parser.error("numbers are at least 1")
    return args


def chosen(args):
    if args.guard:
        return [question for question in QUESTIONS if question.name in guard.FLOORS]
    only = args.only or [""]
    return [question for question in QUESTIONS if any(text in question.name or text == question.mark for text in only)]


def peer_names(args):
    names = [] if args.skip_duckdb else ["duckdb"]
    if not args.skip_clickhouse and not args.guard:
        if importlib.util.find_spec("chdb"):
            names.append("clickhouse")
        else:
            note("chDB is not installed, so ClickHouse is NOT compared: pip install -r benches/compare/requirements.txt")
    return names


def compare(args, folder):
    stage = Stage(args, args.events, folder, peer_names(args))
    try:
        load_average = os.getloadavg()[0]
        raw_bytes = stage.state["annals"]["raw_bytes_per_event"] * stage.largest[1]
        print(f"machine: {report.machine()}; load average {load_average:.1f}")
        print(f"events: {args.events:,} of seed {args.seed}; the largest tenant has {stage.largest[1]:,}")
        print(f"milliseconds, median of {args.repeat} asks with other parameters each; all answers were compared\n")
        print(report.header())
        results = ask_all(stage, chosen(args), args.repeat, lambda result: print(report.row(report.judge(result, raw_bytes)), flush=True))
        figures = stage.gather()
    finally:
        stage.close()
    print(f"\nratio: the better peer's median divided by Annals'; above 1 Annals is faster\n\n{report.stores(figures, args.events)}\n")
    print(report.verdict(results, figures, args.events))
    differ = [difference for result in results for difference in result["differences"]]
    for difference in differ:
        print(f"\n{difference}", file=sys.stderr)
    if args.svg:
        reached = sum(bool(result["reached"]) for result in results)
        title = f"Annals, DuckDB and ClickHouse: {args.events:,} audit events, {reached} of {len(results)} marks reached"
        pathlib.Path(args.svg).write_text(picture.draw(results, title, f"median time of {args.repeat} asks, logarithmic; {report.machine()}"))
    out = {"machine": report.machine(), "load_average": load_average, "events": args.events, "seed": args.seed, "repeat": args.repeat}
    out |= {"largest_tenant": stage.largest[1], "stores": figures, "questions": results}
    failed = [f"{sum(bool(result['differ']) for result in results)} questions have answers that differ"] if differ else []
    if args.guard:
        failed, table = guard.below(results)
        print(f"\n{table}")
    return out, failed


def main():
    args = arguments()
    # Told to end, what was started is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="annals-compare-") as temporary:
        folder = args.keep or temporary
        if args.growth:
            steps = growth.grow(args, [int(size) for size in args.growth.split(",")], folder, chosen(args))
            print(f"machine: {report.machine()}\nmilliseconds, median of {args.repeat} asks with other parameters each\n\n{growth.table(steps)}")
            out, failed = {"machine": report.machine(), "growth": steps}, []
        else:
            out, failed = compare(args, folder)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
    for failure in failed:
        print(failure, file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
