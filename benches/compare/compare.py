#!/usr/bin/env python3
"""Asks Annals and DuckDB the same questions about the same events, in turn, and compares answers and times.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install duckdb pytz
    .venv/bin/python benches/compare/compare.py --events 1000000

The script generates events, ingests them into a data directory in a temporary folder, starts `annals serve` on a free
port and stops it at the end. DuckDB runs within this process and is asked twice: over the Parquet files that Annals
wrote (a view of `read_parquet` with hive partitions, its caches of metadata and files switched on), and over a table
of its own, sorted by tenant and time. Every repetition has other parameters, drawn from the data, so that no answer can
come from a cache of answers; the parameters are the same for all three, and so must the answers be.

A time is from asking until the answer is there as Python objects: for Annals a request over a connection that is
kept open, the body read and parsed as JSON; for DuckDB `execute` and `fetchall` (which needs pytz for times). Pages
are asked of DuckDB without the original record, because Annals' pages do not show it; both show it when one trace id
is asked.
"""

import argparse
import http.client
import json
import os
import pathlib
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

import duckdb

LIMIT = 50
FACETS = ["source", "resource_type", "event_name", "level", "source_ip"]
FACET_SIZE = 10
FOUR = ["event_type", "source", "resource_type", "event_name"]
# Columns of the events, counted from 0.
SEQ, TRACE_ID = 1, 2
# A fixed end of the generated period keeps all of it in the past, where events are filed under their own time.
END = datetime(2026, 6, 30, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
WARMUPS = 2


# --- DuckDB's side of a question -------------------------------------------------------------------------------------


class Where:
    """Conditions of a question, for both sides: `pairs` for Annals' URL, `sql` and `values` for DuckDB."""

    def __init__(self, tenant):
        self.pairs = [("tenant", tenant or "*")]
        self.sql, self.values = [], []
        self.dates = ([], [])
        if tenant:
            self.condition("tenant = ?", tenant)

    def condition(self, sql, *values):
        self.sql.append(sql)
        self.values.extend(values)
        return self

    def equal(self, **fields):
        for field, value in fields.items():
            self.pairs.append((field, value))
            self.condition(f"{field} = ?", value)
        return self

    def period(self, start=None, end=None):
        for name, moment, comparison, date in [("from", start, ">=", ">="), ("to", end, "<", "<=")]:
            if moment:
                self.pairs.append((name, moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"))
                self.condition(f"time {comparison} ?", moment)
                self.dates[0].append(f"date {date} ?")
                self.dates[1].append(moment.date())
        return self

    def clause(self, table):
        """The WHERE clause. Over Parquet files it also names the partitions, as one who knows the files would."""
        sql, values = list(self.sql), list(self.values)
        if table == "parquet":
            sql, values = sql + self.dates[0], values + self.dates[1]
        return ("WHERE " + " AND ".join(sql) if sql else ""), values


class Question:
    """A question in both languages: what to ask, and how to make the two answers comparable."""

    def __init__(self, where, path, pairs, sql, from_json, from_rows, hidden=()):
        self.where, self.path, self.pairs, self.sql = where, path, pairs, sql
        self.from_json, self.from_rows, self.hidden = from_json, from_rows, list(hidden)

    def url(self):
        return f"{self.path}?{urllib.parse.urlencode(self.where.pairs + self.pairs)}"

    def statement(self, table):
        clause, values = self.where.clause(table)
        hidden = self.hidden + (["date"] if table == "parquet" else [])
        columns = f"* EXCLUDE ({', '.join(hidden)})" if hidden else "*"
        return self.sql.format(table=table, where=clause, columns=columns), values


def page(where, limit=LIMIT):
    sql = "SELECT {columns} FROM {table} {where} ORDER BY time DESC, seq DESC LIMIT " + str(limit)
    return Question(
        where, "/api/v1/events", [("limit", limit)], sql,
        lambda answer: [(event["trace_id"], event["seq"]) for event in answer["events"]],
        lambda rows: [(row[TRACE_ID], row[SEQ]) for row in rows],
        hidden=["original"],
    )


def one(where, trace_id):
    where.condition("trace_id = ?", trace_id)
    sql = "SELECT {columns} FROM {table} {where} ORDER BY time DESC, seq DESC"
    return Question(
        where, f"/api/v1/events/{urllib.parse.quote(trace_id, safe='')}", [], sql,
        lambda answer: [(event["trace_id"], event["seq"]) for event in [answer, *answer.get("others", [])]],
        lambda rows: [(row[TRACE_ID], row[SEQ]) for row in rows],
    )


def count(where):
    return Question(
        where, "/api/v1/count", [], "SELECT count(*) FROM {table} {where}",
        lambda answer: answer["count"],
        lambda rows: rows[0][0],
    )


def histogram(where):
    sql = "SELECT epoch_ms(time) // 3600000 AS hour, count(*) FROM {table} {where} GROUP BY hour ORDER BY hour"
    return Question(
        where, "/api/v1/histogram", [("interval", "1h")], sql,
        lambda answer: [(hour_of(bucket["start"]), bucket["count"]) for bucket in answer["buckets"] if bucket["count"]],
        lambda rows: [tuple(row) for row in rows],
    )


def hour_of(text):
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(hours=1)


def facets(where, fields=FACETS, size=FACET_SIZE):
    """The most frequent values of each field, in one pass: a column that a grouping set leaves out is null in its rows."""
    which = " ".join(f"WHEN grouping({field}) = 0 THEN {place}" for place, field in enumerate(fields))
    sets = ", ".join(f"({field})" for field in fields)
    sql = f"""
        WITH counted AS (
            SELECT CASE {which} END AS field, coalesce({", ".join(fields)}) AS value, count(*) AS n
            FROM {{table}} {{where}} GROUP BY GROUPING SETS ({sets})
        )
        SELECT field, value, n FROM counted WHERE value IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY field ORDER BY n DESC, value) <= {size} ORDER BY field, n DESC, value"""
    return Question(
        where, "/api/v1/facets", [("fields", ",".join(fields)), ("size", size)], sql,
        lambda answer: [(fields.index(field), value["value"], value["count"]) for field in fields for value in answer["facets"][field]],
        lambda rows: [tuple(row) for row in rows],
    )


def top(where, field, size=20):
    sql = f"SELECT {field}, count(*) AS n FROM {{table}} {{where}} GROUP BY {field} HAVING {field} IS NOT NULL ORDER BY n DESC, {field} LIMIT {size}"
    return Question(
        where, "/api/v1/top", [("field", field), ("size", size)], sql,
        lambda answer: [(value["value"], value["count"]) for value in answer["values"]],
        lambda rows: [tuple(row) for row in rows],
    )


# --- The questions ---------------------------------------------------------------------------------------------------


def questions(draw, inet):
    """Name and maker of every question; a maker takes the number of the repetition."""

    def trace(repetition, purpose, extra="TRUE"):
        whole = " AND ".join(f"{field} IS NOT NULL" for field in FOUR)
        return draw(repetition, purpose, f"format = 'cts' AND {whole} AND {extra}")

    def four(event):
        return {field: event[field] for field in FOUR}

    def hours(repetition):
        return timedelta(hours=repetition + 1)

    def newest(repetition):
        return page(Where(draw(repetition, "newest")["tenant"]))

    def by_four(repetition):
        event = trace(repetition, "four")
        return page(Where(event["tenant"]).equal(**four(event)))

    def no_hit(repetition):
        event = trace(repetition, "none")
        other = draw(repetition, "other", f"tenant = '{event['tenant']}' AND format = 'cts' AND source <> '{event['source']}'")
        return page(Where(event["tenant"]).equal(**{**four(event), "event_name": other["event_name"]}))

    def by_resource(repetition):
        event = trace(repetition, "resource", "resource_id IS NOT NULL")
        return page(Where(event["tenant"]).equal(resource_id=event["resource_id"]))

    def by_trace(repetition):
        event = draw(repetition, "trace")
        return one(Where(event["tenant"]), event["trace_id"])

    def deep(repetition):
        event = trace(repetition, "deep")
        return page(Where(event["tenant"]).equal(**four(event)).period(end=END - timedelta(days=60) - hours(repetition)))

    def by_operator(repetition):
        event = trace(repetition, "operator", "operator IS NOT NULL")
        end = END - timedelta(days=10) - hours(repetition)
        return page(Where(event["tenant"]).equal(operator=event["operator"]).period(end - timedelta(days=7), end))

    def count_four(repetition):
        event = trace(repetition, "count")
        end = END - timedelta(days=5) - hours(repetition)
        return count(Where(event["tenant"]).equal(**four(event)).period(end - timedelta(days=30), end))

    def by_hour(repetition):
        event = trace(repetition, "histogram")
        end = END - timedelta(days=5) - hours(repetition)
        return histogram(Where(event["tenant"]).equal(source=event["source"]).period(end - timedelta(days=30), end))

    def operator_facets(repetition):
        event = trace(repetition, "operator facets", "operator IS NOT NULL")
        return facets(Where(event["tenant"]).equal(operator=event["operator"]))

    def tenant_facets(repetition):
        event = draw(repetition, "tenant facets")
        return facets(Where(event["tenant"]))

    def top_operators(repetition):
        event = trace(repetition, "top operators")
        return top(Where(event["tenant"]).equal(resource_type=event["resource_type"]), "operator")

    def related(repetition):
        event = draw(repetition, "related", "len(related_ids) > 0 AND related_ids[1] <> 'relation:unbind'")
        value = event["related_ids"][0]
        where = Where(event["tenant"]).condition("list_contains(related_ids, ?)", value)
        where.pairs.append(("related_ids", value))
        return page(where)

    def amounts(repetition):
        event = draw(repetition, "amount", "amount IS NOT NULL")
        least = str(event["amount"])
        where = Where(event["tenant"]).condition("amount >= CAST(? AS DECIMAL(38, 8))", least)
        where.pairs.append(("amount.min", least))
        return count(where)

    def network(repetition):
        event = trace(repetition, "network", "regexp_matches(source_ip, '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')")
        first = event["source_ip"].split(".")[0]
        where = Where(event["tenant"])
        where.pairs.append(("source_ip", f"{first}.0.0.0/8"))
        # Of well-formed addresses, those that begin like the network's first byte are those in it.
        where.condition(*(("TRY_CAST(source_ip AS INET) <<= CAST(? AS INET)", f"{first}.0.0.0/8") if inet else ("source_ip LIKE ?", f"{first}.%")))
        return count(where.period(end=END - hours(repetition)))

    def failures(repetition):
        where = Where(None).period(end=END - hours(repetition)).condition("level IN ('warning', 'incident')")
        where.pairs += [("level", "warning"), ("level", "incident")]
        return top(where, "source")

    def addresses(repetition):
        return top(Where(None).period(end=END - hours(repetition)), "source_ip")

    return [
        ("newest page of a tenant", newest),
        ("page by four dimensions", by_four),
        ("page by four dimensions, no hit", no_hit),
        ("page by resource id", by_resource),
        ("one event by trace id", by_trace),
        ("page by four dimensions, 60 days back", deep),
        ("page of an operator within 7 days", by_operator),
        ("page by related id", related),
        ("count by four dimensions in 30 days", count_four),
        ("count of amounts from a bound", amounts),
        ("count of source IPs in a /8 network", network),
        ("hourly histogram of a source, 30 days", by_hour),
        ("facets of 5 fields, one operator", operator_facets),
        ("facets of 5 fields, whole tenant", tenant_facets),
        ("top 20 operators of a resource type", top_operators),
        ("all tenants: failures by source", failures),
        ("all tenants: top 20 source IPs", addresses),
    ]


# --- Annals' side ----------------------------------------------------------------------------------------------------


class Server:
    """`annals serve` on a free port, and one connection to it that stays open."""

    def __init__(self, annals, data):
        command = [annals, "serve", "--data", data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            self.lines = queue.Queue()
            threading.Thread(target=self.read, daemon=True).start()
            line, seen = "", []
            while "serving " not in line:
                line = self.lines.get(timeout=120)
                if line is None:
                    sys.exit("annals serve ended: " + "".join(seen))
                seen.append(line)
            address = urllib.parse.urlsplit(line.split()[-1])
            self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=300)
        except BaseException:
            self.stop()
            raise

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def get(self, url):
        try:
            self.connection.request("GET", url)
            response = self.connection.getresponse()
            body = response.read()
        except (http.client.HTTPException, OSError) as error:
            time.sleep(0.5)
            said = "".join(line or "" for line in list(self.lines.queue))
            sys.exit(f"{url}: {error!r}; annals serve has exit code {self.process.poll()} and said: {said}")
        if response.status != 200:
            raise RuntimeError(f"{url}: {response.status} {body[:500]!r}")
        return json.loads(body)

    def stop(self):
        if hasattr(self, "connection"):
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def load(annals, events, data):
    """Generates and ingests, at the same time. Returns the seconds that it took."""
    generate = [annals, "generate", "--events", str(events), "--end", END.strftime("%Y-%m-%dT%H:%M:%SZ")]
    ingest = [annals, "ingest", "--data", data, "--tenant-from", "project_id", "-"]
    started = time.perf_counter()
    source = subprocess.Popen(generate, stdout=subprocess.PIPE)
    sink = subprocess.run(ingest, stdin=source.stdout, stdout=subprocess.PIPE, check=True)
    source.stdout.close()
    if source.wait() != 0:
        sys.exit("annals generate failed")
    seconds = time.perf_counter() - started
    outcome = json.loads(sink.stdout)
    if outcome["accepted"] != events:
        sys.exit(f"{outcome['accepted']} of {events} records were accepted: {outcome}")
    return seconds


def size_of(folder, *endings):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file() and path.name.endswith(endings or ("",)))


# --- The comparison --------------------------------------------------------------------------------------------------


def open_duckdb(data, file, threads):
    """DuckDB over the Parquet files and over a table of its own. Returns the connection, and how long the table took."""
    connection = duckdb.connect(str(file))
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    files = f"{data}/events/date=*/*.parquet"
    # The files name no date column: the folders do, and pages do not show it.
    connection.execute(f"CREATE VIEW parquet AS SELECT * FROM read_parquet('{files}', hive_partitioning = true, hive_types = {{'date': DATE}})")
    started = time.perf_counter()
    # A table without the records would be smaller; but a store of audit events that cannot show a record is none.
    connection.execute("CREATE TABLE events AS SELECT * EXCLUDE (date) FROM parquet ORDER BY tenant, time DESC, seq DESC")
    connection.execute("CHECKPOINT")
    return connection, time.perf_counter() - started


def has_inet(connection):
    try:
        connection.execute("INSTALL inet")
        connection.execute("LOAD inet")
        return True
    except duckdb.Error:
        return False


def drawer(connection):
    """Draws events of the table: at random, but the same ones in every run."""

    def draw(repetition, purpose, where="TRUE"):
        sql = f"SELECT * EXCLUDE (original) FROM events WHERE {where} ORDER BY hash(trace_id || ?) LIMIT 1"
        cursor = connection.execute(sql, [f"{purpose} {repetition}"])
        row = cursor.fetchone()
        if row is None:
            sys.exit(f"no event to ask for: {where}")
        return dict(zip([column[0] for column in cursor.description], row))

    return draw


def compare(name, make, repeat, server, connection):
    """Asks in turn and compares. Returns the milliseconds of each side."""
    times = {"annals": [], "parquet": [], "table": []}
    sizes = []
    for repetition in range(-WARMUPS, repeat):
        question = make(repetition + WARMUPS)
        url = question.url()
        started = time.perf_counter()
        answer = server.get(url)
        took = {"annals": time.perf_counter() - started}
        ours = question.from_json(answer)
        for side, table in [("parquet", "parquet"), ("table", "events")]:
            sql, values = question.statement(table)
            started = time.perf_counter()
            rows = connection.execute(sql, values).fetchall()
            took[side] = time.perf_counter() - started
            theirs = question.from_rows(rows)
            if ours != theirs:
                sys.exit(f"{name}: the answers differ\n  {url}\n  annals  {str(ours)[:1500]}\n  {side}  {str(theirs)[:1500]}\n  {sql} {values}")
        sizes.append(len(ours) if isinstance(ours, list) else ours)
        if repetition >= 0:
            for side, seconds in took.items():
                times[side].append(seconds * 1000)
    return times, sizes[WARMUPS:]


def summary(milliseconds):
    ordered = sorted(milliseconds)
    return {"p50": statistics.median(ordered), "min": ordered[0], "max": ordered[-1]}


def machine():
    model = platform.processor() or platform.machine()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def arguments():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description="Compares Annals with DuckDB: same events, same questions, same answers.")
    parser.add_argument("--annals", default=f"{target}/release/annals", metavar="BINARY", help="default: %(default)s")
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="times that each question is asked; default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of DuckDB; default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write the figures here, too")
    parser.add_argument("--only", metavar="TEXT", help="only questions with this in their name")
    args = parser.parse_args()
    if not shutil.which(args.annals):
        parser.error(f"{args.annals}: no such program; run cargo build --release, or name it with --annals")
    args.annals = str(pathlib.Path(shutil.which(args.annals)).resolve())
    if args.repeat < 1 or args.events < 1 or args.threads < 1:
        parser.error("--events, --repeat and --threads are at least 1")
    return args


def run(args, folder):
    data, file = str(folder / "audit"), folder / "duck.db"
    seconds = load(args.annals, args.events, data)
    report = {
        "machine": machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "duckdb": {"version": duckdb.__version__, "threads": args.threads},
        "events": args.events,
        "repeat": args.repeat,
        "load_seconds": round(seconds, 2),
        "annals_bytes_per_event": {
            "parquet": round(size_of(f"{data}/events", ".parquet") / args.events, 1),
            "index": round(size_of(f"{data}/events", ".idx") / args.events, 1),
            "all": round(size_of(data) / args.events, 1),
        },
    }
    connection, took = open_duckdb(data, file, args.threads)
    report["duckdb"]["table_seconds"] = round(took, 2)
    report["duckdb"]["table_bytes_per_event"] = round(file.stat().st_size / args.events, 1)
    report["duckdb"]["inet"] = has_inet(connection)
    bytes_per = report["annals_bytes_per_event"]
    print(f"machine: {report['machine']}, load average {report['load_average']}")
    print(f"events: {args.events:,}, generated and ingested in {seconds:.1f} s ({args.events / seconds:,.0f}/s)")
    print(f"annals: {bytes_per['all']} bytes per event (parquet {bytes_per['parquet']}, index {bytes_per['index']})")
    print(
        f"duckdb {duckdb.__version__}: {args.threads} threads, its table {report['duckdb']['table_bytes_per_event']} bytes per event, "
        f"made in {took:.1f} s from the Parquet files"
    )
    print(f"p50 of {args.repeat} repetitions in milliseconds; all answers were compared\n")
    width = 40
    print(f"| {'question':{width}} | annals | duckdb parquet | duckdb table | ratio |")
    print(f"|{'-' * (width + 2)}|-------:|---------------:|-------------:|------:|")
    report["questions"] = []
    server = Server(args.annals, data)
    try:
        # One question that touches every file, so that nobody's first opening of a file is measured.
        server.get("/api/v1/top?tenant=*&field=source")
        connection.execute("SELECT source, count(*) FROM parquet GROUP BY source").fetchall()
        for name, make in questions(drawer(connection), report["duckdb"]["inet"]):
            if args.only and args.only not in name:
                continue
            times, sizes = compare(name, make, args.repeat, server, connection)
            figures = {side: summary(values) for side, values in times.items()}
            ratio = min(figures["parquet"]["p50"], figures["table"]["p50"]) / figures["annals"]["p50"]
            report["questions"].append({"question": name, "ratio": ratio, "answers": sizes, **figures})
            print(
                f"| {name:{width}} | {figures['annals']['p50']:6.2f} | {figures['parquet']['p50']:14.2f} "
                f"| {figures['table']['p50']:12.2f} | {ratio:5.2g} |",
                flush=True,
            )
    finally:
        server.stop()
        connection.close()
    print("\nratio: the better of the two DuckDB times, divided by Annals' time; above 1 Annals is faster")
    return report


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="annals-compare-") as folder:
        report = run(args, pathlib.Path(folder))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
