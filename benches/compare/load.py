"""Makes the events and takes them in through Annals' HTTP door; hands the same rows to the peers as Parquet.

What a peer loads is what Annals exports (`/api/v1/events.parquet`), tenant after tenant, newest first: so all sides
hold the same rows, and the peers get them in the order that their tables are sorted in. Each piece is deleted when
it is loaded, so that large sets need little room beside the stores themselves.
"""

import itertools
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timezone

from dialect import COLUMNS
from server import Busy, Server

# A fixed end of the generated period keeps all of it in the past, where events are filed under their own time.
END = datetime(2026, 6, 30, tzinfo=timezone.utc)
RECORD_BYTES = 900
# Rows of a piece for the peers: several of DuckDB's row groups, and parts that ClickHouse likes.
PIECE_ROWS = 1_000_000
# Nobody reads earlier versions of the table, so a large set does not need twice its room.
LOADING = ["--keep-replaced", "60"]
INGEST = "/api/v1/events?tenant_from=project_id"


def generate(annals, events, seed, into):
    command = [annals, "generate", "--events", str(events), "--seed", str(seed), "--end", END.strftime("%Y-%m-%dT%H:%M:%SZ")]
    return subprocess.Popen(command, stdout=into)


def free(folder):
    return shutil.disk_usage(folder).free


class Loader:
    """Sends bodies of whole records over a few connections; counts a record when its body is acknowledged."""

    def __init__(self, server, connections, progress):
        self.server, self.progress = server, progress
        self.bodies = queue.Queue(maxsize=connections)
        self.lock, self.acked, self.latencies, self.error = threading.Lock(), 0, [], None
        self.refused = 0
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def send(self):
        connection = self.server.connect()
        while (body := self.bodies.get()) is not None:
            if self.error:
                continue
            try:
                self.deliver(connection, *body)
            except Exception as error:  # noqa: BLE001 (reported by whoever waits)
                self.error = error
        connection.close()

    def deliver(self, connection, records, body):
        started = time.perf_counter()
        while True:
            try:
                answer = connection.post(INGEST, body)
                break
            except Busy:
                self.refused += 1
                time.sleep(0.5)
        if b'"accepted":%d,' % records not in answer:
            raise RuntimeError(f"{records} records were sent; the answer: {answer[:600]!r}")
        with self.lock:
            self.acked += records
            self.latencies.append(time.perf_counter() - started)
            if self.progress and sys.stderr.isatty():
                print(f"\r{self.acked:,} events", end="", file=sys.stderr, flush=True)

    def finish(self):
        for _ in self.threads:
            self.bodies.put(None)
        for thread in self.threads:
            thread.join()
        if self.error:
            raise self.error


def load(annals, data, events, seed, batch, connections, folder, settle):
    """Fills a new data directory through HTTP. Returns the figures."""
    need = events * 600
    if free(folder) < need:
        sys.exit(f"{folder} has {free(folder) / 1e9:.0f} GB free; {events:,} events need about {need / 1e9:.0f} GB for Annals alone")
    # Records from a file cost the loading nothing; beyond a tenth of the free disk they come from a pipe.
    file = pathlib.Path(folder) / "events.ndjson" if events * RECORD_BYTES < free(folder) / 10 else None
    if file:
        with open(file, "wb") as out:
            if generate(annals, events, seed, out).wait() != 0:
                sys.exit("annals generate failed")
        source, lines = None, open(file, "rb", buffering=1 << 20)
    else:
        source = generate(annals, events, seed, subprocess.PIPE)
        lines = source.stdout
    server = Server(annals, data, options=LOADING)
    try:
        loader = Loader(server, connections, True)
        started, raw = time.perf_counter(), 0
        while batch_lines := list(itertools.islice(lines, batch)):
            body = b"".join(batch_lines)
            raw += len(body)
            loader.bodies.put((len(batch_lines), body))
            if loader.error:
                break
        loader.finish()
        seconds = time.perf_counter() - started
        lines.close()
        if source and source.wait() != 0:
            sys.exit("annals generate failed")
        if loader.acked != events:
            sys.exit(f"{loader.acked} of {events} records were accepted")
        fresh = freshness(annals, server, seed)
        peaks = [server.memory()["peak"]]
        # A stop seals what is buffered; what is left to be merged then, the next process merges.
        server.stop()
        server = Server(annals, data, options=LOADING)
        rested = server.settle(settle)
        peaks.append(server.memory()["peak"])
        settled = time.perf_counter() - started
        return {
            "seconds": seconds, "events_per_second": events / seconds, "raw_bytes_per_event": raw / events,
            "records_in_a_request": batch, "connections": connections, "refused": loader.refused,
            "request_p50_ms": sorted(loader.latencies)[len(loader.latencies) // 2] * 1000,
            "generator_beside": source is not None, "freshness_ms": fresh,
            "peak_rss_while_loading": peaks[0], "peak_rss": max(peaks),
            "settled_seconds": settled, "settled": rested, "segments": server.state()["segments"],
        }
    finally:
        server.stop()
        if file:
            file.unlink(missing_ok=True)


def freshness(annals, server, seed, tenant="freshness-probe"):
    """From sending one record to having counted it: the worst of ten, in milliseconds."""
    process = generate(annals, 10, seed + 7_919, subprocess.PIPE)
    made = process.communicate()[0].splitlines()
    if process.returncode != 0:
        sys.exit("annals generate failed")
    connection, worst = server.connect(), 0.0
    for number, record in enumerate(made, 1):
        started = time.perf_counter()
        connection.post(f"/api/v1/events?tenant={tenant}", record)
        while server.get(f"/api/v1/count?tenant={tenant}")["count"] != number:
            if time.perf_counter() - started > 120:
                sys.exit("an acknowledged event is not visible after two minutes")
            time.sleep(0.001)
        worst = max(worst, time.perf_counter() - started)
    connection.close()
    return worst * 1000


def sizes(data, server, events):
    """Bytes per event by kind of file. What compaction has replaced stays for a day, and is told apart."""
    kinds = {}
    for folder, _, names in os.walk(data):
        for name in names:
            path = os.path.join(folder, name)
            kind = "delta log" if "_delta_log" in path else "log" if path.endswith(".wal") else os.path.splitext(name)[1].lstrip(".") or name
            kinds[kind] = kinds.get(kind, 0) + os.path.getsize(path)
    metrics = server.metrics()
    live = {"parquet": metrics["data_bytes"], "idx": metrics["index_bytes"]}
    rest = sum(size for kind, size in kinds.items() if kind not in live)
    replaced = sum(kinds.get(kind, 0) - size for kind, size in live.items())
    per_event = {kind: live.get(kind, size) / events for kind, size in kinds.items()}
    return {
        "live": (sum(live.values()) + rest) / events, "replaced_not_yet_deleted": replaced / events,
        "by_kind": dict(sorted(per_event.items(), key=lambda item: -item[1])),
    }


def tenants_of(annals, events, seed):
    """Tenants and how many events each has, by what the generator writes; ascending by name."""
    process = generate(annals, events, seed, subprocess.PIPE)
    counts, mark = {}, b'"project_id":"'
    for line in process.stdout:
        # Within the texts of requests the quotes are escaped, so this is the record's own member.
        at = line.rfind(mark) + len(mark)
        tenant = line[at : line.index(b'"', at)]
        counts[tenant] = counts.get(tenant, 0) + 1
    if process.wait() != 0:
        sys.exit("annals generate failed")
    return sorted((tenant.decode(), count) for tenant, count in counts.items())


def pieces(server, tenants, folder, keep_record):
    """Exports tenant after tenant; yields lists of Parquet files of about a million rows, in the order of the table."""
    columns = ",".join([*COLUMNS, *(["original"] if keep_record else [])])
    files, rows = [], 0
    for tenant, count in tenants:
        file = pathlib.Path(folder) / f"piece-{tenant}.parquet"
        server.download(f"/api/v1/events.parquet?{urllib.parse.urlencode({'tenant': tenant, 'columns': columns})}", file)
        files.append(file)
        rows += count
        if rows >= PIECE_ROWS:
            yield files
            files, rows = [], 0
    if files:
        yield files
