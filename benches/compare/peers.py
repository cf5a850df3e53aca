"""The peers: DuckDB and ClickHouse (chDB), each within a process of its own, each set up as well as we know how.

A peer's time is taken within its process, around the call and the fetching of Python objects: it pays for neither HTTP
nor the pipe to us, and of JSON only what its own Python client uses. Annals pays for both. The process of its own is there so
that memory is told apart; both engines get all cores.

**DuckDB**: a native table sorted by tenant and time (zone maps of 122,880 rows then prune both), dictionary and FSST
compression as it chooses, the newest storage version, absent values NULL, amounts `DECIMAL(18, 8)` (one machine word), the
IPv4 address also as a number, so that a network is a range. No ART indexes unless `--duckdb-indexes` asks for them (on
trace_id and resource_id): they make needles fast and are held in memory, which is not how one keeps years of history.
The record is a column of the same table; questions that do not name it do not read it. By itself DuckDB keeps it as
DICT_FSST: 430 bytes an event, scanned a quarter faster than with zstd (`--duckdb-record zstd`: 128 bytes), so it is left so.

**ClickHouse**: MergeTree `ORDER BY (tenant, time, seq)`, merged into one part by `OPTIMIZE … FINAL`,
`LowCardinality` for every dimension and the empty text for absent (its own advice against Nullable), codecs Delta and ZSTD(1)
for times and the record, `set` indexes for dimensions, bloom filters for ids and related ids, minmax for amounts and addresses,
and for the record a full-text index (`text`, the successor of `tokenbf_v1`): it counts a word without reading rows,
and LIKE finds pieces of words by its dictionary. `--clickhouse-text bloom` takes `tokenbf_v1` and `ngrambf_v1` instead; beside the
text index an n-gram filter gave nothing and cost 116 bytes an event. A finer granularity (1024) made pages no faster.
Its caches of text indexes are on. Questions about words are also asked with the record's indexes left aside ("scan"), because
the mark for words is set against scanning.

What was chosen by trial was tried with 200,000 events, on a machine that did other work as well.
"""

import multiprocessing
import pathlib
import time

import orjson

import dialect as languages
from dialect import COLUMNS, DIMENSIONS, IDS
from server import memory


class DuckSide:
    """Runs in the child process."""

    def __init__(self, folder, options):
        import duckdb

        folder.mkdir(parents=True, exist_ok=True)
        self.options, self.file = options, folder / "duck.db"
        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {options['threads']}")
        self.connection.execute(f"SET temp_directory = '{folder}/temp'")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(f"ATTACH '{self.file}' AS store (STORAGE_VERSION 'latest')")
        self.connection.execute("USE store")
        self.version = duckdb.__version__

    def create(self):
        pass

    def insert(self, files):
        number = "CAST(split_part(source_ip, '.', {}) AS UINTEGER)"
        ip4 = " + ".join(f"{number.format(place)} * {256 ** (4 - place)}" for place in range(1, 5))
        casts = {
            **{time: f"CAST({time} AS TIMESTAMP)" for time in ["time", "record_time", "ingest_time"]},
            "amount": "CAST(amount AS DECIMAL(18, 8))",
        }
        columns = [f"{casts[name]} AS {name}" if name in casts else name for name in COLUMNS]
        columns += ["original"] if self.options["record"] else []
        columns.append(f"CASE WHEN regexp_full_match(source_ip, '[0-9]+([.][0-9]+){{3}}') THEN {ip4} END AS ip4")
        select = f"SELECT {', '.join(columns)} FROM read_parquet({[str(file) for file in files]})"
        exists = self.connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'events'").fetchone()[0]
        if not exists:
            described = self.connection.execute(f"DESCRIBE {select}").fetchall()
            packed = {"original": " USING COMPRESSION zstd"} if self.options["text"] == "zstd" else {}
            self.connection.execute(f"CREATE TABLE events ({', '.join(f'{name} {kind}{packed.get(name, str())}' for name, kind, *_ in described)})")
        self.connection.execute(f"INSERT INTO events {select}")

    def finish(self):
        if self.options["indexes"]:
            for field in ["trace_id", "resource_id"]:
                self.connection.execute(f"CREATE INDEX {field}_art ON events ({field})")
        self.connection.execute("CHECKPOINT")

    def size(self):
        return self.file.stat().st_size

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def run(self, sql):
        self.connection.execute(sql)

    def close(self):
        self.connection.close()


class ClickSide:
    """Runs in the child process."""

    def __init__(self, folder, options):
        from chdb.session import Session

        folder.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.session = Session(str(folder))
        self.version = str(self.session.query("SELECT version()", "TabSeparated")).strip()
        self.session.query(f"SET max_threads = {options['threads']}")
        self.session.query("SET use_text_index_postings_cache = 1")
        self.session.query("CREATE DATABASE IF NOT EXISTS store")
        self.session.query("USE store")

    def create(self):
        kinds = {
            "tenant": "LowCardinality(String)", "seq": "UInt64 CODEC(Delta, ZSTD(1))", "time": "DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))",
            "record_time": "DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))", "ingest_time": "DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))",
            "time_suspect": "Bool", "read_only": "Nullable(Bool)", "related_ids": "Array(String)", "amount": "Nullable(Decimal(18, 8))",
            **{field: "LowCardinality(String)" for field in DIMENSIONS}, **{field: "String" for field in IDS},
        }
        columns = [f"{name} {kinds[name]}" for name in COLUMNS] + ["ip4 UInt32"]
        columns += [f"INDEX {field}_set {field} TYPE set(1000) GRANULARITY 1" for field in DIMENSIONS]
        columns += [f"INDEX {field}_bloom {field} TYPE bloom_filter(0.01) GRANULARITY 1" for field in [*IDS, "related_ids"]]
        columns += [f"INDEX {field}_minmax {field} TYPE minmax GRANULARITY 1" for field in ["amount", "ip4"]]
        if self.options["record"]:
            columns.append("original String CODEC(ZSTD(1))")
            indexes = {"words": "text(tokenizer = 'splitByNonAlpha', preprocessor = lower(original))"}
            if self.options["text"] == "bloom":
                indexes = {"words": "tokenbf_v1(65536, 3, 0) GRANULARITY 1", "grams": "ngrambf_v1(4, 262144, 2, 0) GRANULARITY 1"}
            columns += [f"INDEX {name} original TYPE {index}" for name, index in indexes.items()]
        self.session.query(f"CREATE TABLE events ({', '.join(columns)}) ENGINE = MergeTree ORDER BY (tenant, time, seq) SETTINGS old_parts_lifetime = 10")

    def insert(self, files):
        texts = [*DIMENSIONS, *IDS]
        columns = [f"ifNull({name}, '') AS {name}" if name in texts else name for name in COLUMNS]
        columns[COLUMNS.index("record_time")] = "ifNull(record_time, toDateTime64(0, 3, 'UTC')) AS record_time"
        columns.append("toUInt32(IPv4StringToNumOrDefault(ifNull(e.source_ip, ''))) AS ip4")
        names = [*COLUMNS, "ip4"]
        if self.options["record"]:
            columns.append("original")
            names.append("original")
        listed = ",".join(file.stem for file in files)
        self.session.query(
            f"INSERT INTO events ({', '.join(names)}) SELECT {', '.join(columns)} FROM file('{files[0].parent}/{{{listed}}}.parquet', Parquet) AS e "
            "SETTINGS max_insert_threads = 1"
        )

    def finish(self):
        self.session.query("OPTIMIZE TABLE events FINAL")

    def size(self):
        """Without the parts that were merged, which go after a while."""
        return int(self.rows("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'")[0][0])

    def rows(self, sql):
        return orjson.loads(self.session.query(sql, "JSONCompact").bytes())["data"]

    def run(self, sql):
        self.session.query(sql)

    def close(self):
        self.session.close()


def serve(pipe, kind, folder, options):
    """The child process: answers commands until the pipe is closed."""
    side = kind(folder, options)
    while True:
        try:
            command, arguments = pipe.recv()
        except EOFError:
            side.close()
            return
        try:
            started = time.perf_counter()
            answer = side.version if command == "version" else getattr(side, command)(*arguments)
            pipe.send((time.perf_counter() - started, answer))
        except Exception as error:  # noqa: BLE001 (raised again by whoever asked)
            pipe.send((None, f"{type(error).__name__}: {str(error)[:1500]}"))


class Peer:
    """A database in a process of its own."""

    def __init__(self, name, kind, dialect, folder, options):
        self.name, self.dialect, self.folder, self.options = name, dialect, pathlib.Path(folder), options
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, kind, self.folder, options), daemon=True)
        self.process.start()
        theirs.close()
        self.version = self.call("version")[1]

    def call(self, command, *arguments):
        self.pipe.send((command, arguments))
        try:
            seconds, answer = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self.name} ended ({self.process.exitcode}) at {command} {str(arguments)[:1500]}") from None
        if seconds is None:
            raise RuntimeError(f"{self.name}: {answer}\n  {command} {str(arguments)[:1500]}")
        return seconds, answer

    def ask(self, shape, file, dialect=None):
        sql = shape.sql(dialect or self.dialect)
        if shape.exports:
            pathlib.Path(file).unlink(missing_ok=True)
            return self.call("run", self.dialect.export(sql, str(file)))[0], shape.from_file(file)
        seconds, rows = self.call("rows", sql)
        return seconds, shape.from_rows(rows)

    def memory(self):
        return memory(self.process.pid)

    def stop(self):
        self.pipe.close()
        self.process.join(timeout=60)
        if self.process.is_alive():
            self.process.kill()


class Scanning:
    """A peer, asked without the indexes of its texts."""

    def __init__(self, peer):
        self.peer, self.name = peer, f"{peer.name}, scan"
        self.dialect = languages.ClickDialect(scans=True)

    def ask(self, shape, file):
        sql = shape.sql(self.dialect) + " SETTINGS ignore_data_skipping_indices = 'words, grams'"
        seconds, rows = self.peer.call("rows", sql)
        return seconds, shape.from_rows(rows)


def options(kind, args):
    """What decides how a peer is loaded and asked."""
    own = {"duckdb": {"indexes": args.duckdb_indexes, "text": args.duckdb_record}, "clickhouse": {"text": args.clickhouse_text}}
    return {"threads": args.threads, "record": not args.no_record, **own[kind]}


def start(kind, folder, args):
    """Opens a peer by its name."""
    side, dialect = {"duckdb": (DuckSide, languages.DuckDialect()), "clickhouse": (ClickSide, languages.ClickDialect())}[kind]
    return Peer(kind, side, dialect, folder, options(kind, args))
