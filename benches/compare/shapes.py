"""The shapes of questions: how each is asked of Annals and of a database, and how the two answers become comparable.

A shape gives `path` and `pairs` for the URL, `sql(dialect)`, and two functions that turn a parsed JSON body and the rows
of a database into the same Python value. Turning is not timed: a time ends when the answer is there as Python objects.
"""

import csv
import hashlib
import urllib.parse
from datetime import datetime
from decimal import Decimal

from dialect import COLUMNS, EPOCH, HOUR_MS

LIMIT = 50
NEWEST_FIRST = "ORDER BY time DESC, seq DESC"


# What is compared of each event of a page, and where it stands in a row.
SHOWN = ["trace_id", "event_type", "source", "resource_type", "event_name", "resource_id", "resource_name", "operator", "level", "code", "source_ip"]
PLACES = [COLUMNS.index(field) for field in SHOWN]
SEQ, RELATED = COLUMNS.index("seq"), COLUMNS.index("related_ids")


def shown(event):
    """An event of an answer, as it is compared."""
    return (event["seq"], *(event.get(field) or "" for field in SHOWN), tuple(event.get("related_ids") or ()))


def listed(row):
    """A row of a database, as it is compared."""
    return (int(row[SEQ]), *(row[place] or "" for place in PLACES), tuple(row[RELATED]))


class Shape:
    pairs = ()
    # The answer is a file that is written, not rows.
    exports = False

    def __init__(self, where):
        self.where = where

    def url(self):
        return f"{self.path}?{urllib.parse.urlencode([*self.where.pairs, *self.pairs])}"

    def size(self, answer):
        return len(answer) if isinstance(answer, list) else answer


class Page(Shape):
    path = "/api/v1/events"
    # On no hit Annals also looks for what would find something; that is work that nobody else does.
    pairs = (("limit", LIMIT), ("hints", "false"))

    def sql(self, dialect):
        return f"SELECT {', '.join(COLUMNS)} FROM events {self.where.sql(dialect)} {NEWEST_FIRST} LIMIT {LIMIT}"

    def from_json(self, answer):
        return [shown(event) for event in answer["events"]]

    def from_rows(self, rows):
        return [listed(row) for row in rows]


class One(Shape):
    """One event with its record. Several may have the id: the newest, and the `others`."""

    def __init__(self, where, trace_id):
        super().__init__(where)
        self.path = f"/api/v1/events/{urllib.parse.quote(trace_id, safe='')}"
        where.conditions.append(("equal", "trace_id", [trace_id]))

    def sql(self, dialect):
        return f"SELECT {', '.join(COLUMNS)}, original FROM events {self.where.sql(dialect)} {NEWEST_FIRST}"

    def from_json(self, answer):
        return [(*shown(event), event["original"]) for event in [answer, *answer.get("others", [])]]

    def from_rows(self, rows):
        return [(*listed(row), row[-1]) for row in rows]


class Count(Shape):
    path = "/api/v1/count"

    def sql(self, dialect):
        return f"SELECT count(*) FROM events {self.where.sql(dialect)}"

    def from_json(self, answer):
        return answer["count"]

    def from_rows(self, rows):
        return int(rows[0][0])


class Histogram(Shape):
    """Counts by hour, or by day (`unit`), and by the values of a field if one is named."""

    path = "/api/v1/histogram"

    def __init__(self, where, unit="hour", by=None):
        super().__init__(where)
        self.unit, self.by = unit, by
        self.unit_ms = HOUR_MS * {"hour": 1, "day": 24}[unit]
        self.pairs = [("interval", {"hour": "1h", "day": "1d"}[unit])] + ([("by", by)] if by else [])

    def sql(self, dialect):
        keys = "bucket" + (f", {self.by}" if self.by else "")
        select = f"{getattr(dialect, self.unit)} AS bucket" + (f", {self.by}" if self.by else "")
        return f"SELECT {select}, count(*) AS n FROM events {self.where.sql(dialect)} GROUP BY {keys} ORDER BY {keys}"

    def from_json(self, answer):
        out = []
        for bucket in answer["buckets"]:
            if not bucket["count"]:
                continue
            start = datetime.fromisoformat(bucket["start"])
            place = round((start - EPOCH).total_seconds() * 1000) // self.unit_ms
            if self.by:
                out += [(place, value, n) for value, n in bucket["by"].items() if n]
            else:
                out.append((place, bucket["count"]))
        return sorted(out)

    def from_rows(self, rows):
        return sorted((int(row[0]), *row[1:-1], int(row[-1])) for row in rows if not self.by or row[1])


class Facets(Shape):
    path = "/api/v1/facets"

    def __init__(self, where, fields, size=10):
        super().__init__(where)
        self.fields, self.most = fields, size
        self.pairs = [("fields", ",".join(fields)), ("size", size)]

    def sql(self, dialect):
        """One small question for each field: both engines answer five of these faster than one with grouping sets."""
        where = self.where.sql(dialect)
        one = (
            "(SELECT {place} AS field, {field} AS value, count(*) AS n FROM events {where} GROUP BY value HAVING {present} "
            "ORDER BY n DESC, value LIMIT {most})"
        )
        parts = [
            one.format(place=place, field=field, where=where, present=dialect.present("value"), most=self.most)
            for place, field in enumerate(self.fields)
        ]
        return " UNION ALL ".join(parts)

    def from_json(self, answer):
        facets = answer["facets"]
        return sorted((place, -one["count"], one["value"]) for place, field in enumerate(self.fields) for one in facets[field])

    def from_rows(self, rows):
        return sorted((int(place), -int(n), value) for place, value, n in rows)


class Top(Shape):
    path = "/api/v1/top"

    def __init__(self, where, field, size=20):
        super().__init__(where)
        self.field, self.most = field, size
        self.pairs = [("field", field), ("size", size)]

    def sql(self, dialect):
        return (
            f"SELECT {self.field} AS value, count(*) AS n FROM events {self.where.sql(dialect)} GROUP BY value "
            f"HAVING {dialect.present('value')} ORDER BY n DESC, value LIMIT {self.most}"
        )

    def from_json(self, answer):
        return [(value["value"], value["count"]) for value in answer["values"]]

    def from_rows(self, rows):
        return [(value, int(n)) for value, n in rows]


class Sums(Shape):
    """Count, sum, least and greatest of the amounts by the values of a field; exact decimals."""

    path = "/api/v1/stats"

    def __init__(self, where, by):
        super().__init__(where)
        self.by = by
        self.pairs = [("by", by), ("size", 1000)]
        where.conditions.append(("present_amount",))

    def sql(self, dialect):
        columns = ", ".join(f"CAST({of}(amount) AS {dialect.text_type})" for of in ["sum", "min", "max"])
        return f"SELECT {self.by} AS value, count(*) AS n, {columns} FROM events {self.where.sql(dialect)} GROUP BY value"

    def from_json(self, answer):
        groups = ((g["value"] or "", g["count"], *(Decimal(g[of]) for of in ["sum", "min", "max"])) for g in answer["groups"])
        return sorted(groups)

    def from_rows(self, rows):
        return sorted((value or "", int(n), *map(Decimal, rest)) for value, n, *rest in rows)


class Export(Shape):
    """All events that match, as a CSV file: compared by their number and a checksum of the sorted ids."""

    path = "/api/v1/events.csv"
    exports = True

    def sql(self, dialect):
        return f"SELECT {', '.join(COLUMNS)} FROM events {self.where.sql(dialect)} {NEWEST_FIRST}"

    def from_file(self, file):
        with open(file, newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            place = next(rows).index("trace_id")
            ids = sorted(row[place] for row in rows)
        return (len(ids), hashlib.sha256("\n".join(ids).encode()).hexdigest())

    def size(self, answer):
        return answer[0]
