"""What a question says, in three languages: URL parameters for Annals, SQL for DuckDB and for ClickHouse.

A `Where` gathers conditions. Each condition is kept as it is meant, and a dialect writes it in the form that its engine
answers fastest: a network is a range of the numeric address, a word is a token of the text index (ClickHouse) or the
substring that means the same on these events (DuckDB), absent is NULL (DuckDB) or the empty text (ClickHouse).
"""

import ipaddress
import re
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HOUR_MS = 3_600_000
# Columns of a page, which shows everything but the record.
COLUMNS = (
    "tenant seq trace_id time record_time ingest_time time_suspect event_type source resource_type event_name resource_id "
    "resource_name operator level trace_type code source_ip access_key_id request_id operation_id enterprise_project_id "
    "tracker_name read_only api_version related_ids amount currency format"
).split()
# Texts with few values, and texts with many.
DIMENSIONS = (
    "event_type source resource_type event_name operator level trace_type code source_ip enterprise_project_id tracker_name "
    "api_version currency format"
).split()
IDS = "trace_id resource_id resource_name access_key_id request_id operation_id".split()


def millis(moment):
    return (moment - EPOCH) // timedelta(milliseconds=1)


def rfc3339(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Where:
    """Conditions that must all hold, of one tenant or (`None`) of all."""

    def __init__(self, tenant):
        self.pairs = [("tenant", tenant or "*")]
        self.conditions = [("equal", "tenant", [tenant])] if tenant else []

    def add(self, *condition, **pairs):
        self.conditions.append(condition)
        self.pairs += [(name.replace("__", "."), value) for name, value in pairs.items()]
        return self

    def equal(self, **fields):
        for field, value in fields.items():
            values = value if isinstance(value, list) else [value]
            self.conditions.append(("equal", field, values))
            self.pairs += [(field, one) for one in values]
        return self

    def period(self, start=None, end=None):
        if start:
            self.add("since", start).pairs.append(("from", rfc3339(start)))
        if end:
            self.add("until", end).pairs.append(("to", rfc3339(end)))
        return self

    def prefix(self, field, text):
        self.add("prefix", field, text).pairs.append((f"{field}.prefix", text))
        return self

    def related(self, value):
        return self.add("related", value, related_ids=value)

    def network(self, cidr):
        return self.add("network", ipaddress.ip_network(cidr), source_ip=cidr)

    def at_least(self, amount):
        return self.add("at_least", amount, amount__min=amount)

    def text(self, asked, needle, whole_words=True):
        """`asked` is Annals' `text=`; on these events exactly the records that hold `needle` match it."""
        return self.add("text", needle, whole_words, text=asked)

    def substring(self, needle):
        return self.add("substring", needle, substring=needle)

    def sql(self, dialect):
        parts = [getattr(dialect, kind)(*rest) for kind, *rest in self.conditions]
        return "WHERE " + " AND ".join(parts) if parts else ""


class Dialect:
    """What both databases write alike."""

    # Whether text is looked for without the help of indexes.
    scans = False

    def quote(self, text):
        return "'" + text.replace("'", "''") + "'"

    def equal(self, field, values):
        quoted = [self.quote(value) for value in values]
        return f"{field} = {quoted[0]}" if len(quoted) == 1 else f"{field} IN ({', '.join(quoted)})"

    def since(self, moment):
        return f"time >= {self.moment(moment)}"

    def until(self, moment):
        return f"time < {self.moment(moment)}"

    def network(self, network):
        return f"ip4 BETWEEN {int(network.network_address)} AND {int(network.broadcast_address)}"

    def at_least(self, amount):
        return f"amount >= {amount}"

    def present_amount(self):
        return "amount IS NOT NULL"


class DuckDialect(Dialect):
    name = "duckdb"
    text_type = "VARCHAR"
    hour = "epoch_ms(time) // 3600000"
    day = "epoch_ms(time) // 86400000"

    def moment(self, moment):
        return f"TIMESTAMP '{moment.strftime('%Y-%m-%d %H:%M:%S.%f')}'"

    def present(self, field):
        return f"{field} IS NOT NULL"

    def prefix(self, field, text):
        return f"starts_with({field}, {self.quote(text)})"

    def related(self, value):
        return f"list_contains(related_ids, {self.quote(value)})"

    def text(self, needle, whole_words):
        return self.substring(needle)

    def substring(self, needle):
        return f"contains(original, {self.quote(needle)})"

    def export(self, select, file):
        return f"COPY ({select}) TO {self.quote(file)} (FORMAT csv, HEADER true)"


class ClickDialect(Dialect):
    name = "clickhouse"
    text_type = "String"
    hour = "intDiv(toUnixTimestamp64Milli(time), 3600000)"
    day = "intDiv(toUnixTimestamp64Milli(time), 86400000)"

    def __init__(self, scans=False):
        self.scans = scans

    def quote(self, text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def moment(self, moment):
        return f"toDateTime64('{moment.strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]}', 3, 'UTC')"

    def present(self, field):
        return f"{field} <> ''"

    def prefix(self, field, text):
        return f"startsWith({field}, {self.quote(text)})"

    def related(self, value):
        return f"has(related_ids, {self.quote(value)})"

    def text(self, needle, whole_words):
        """The tokens find the granules (or, a single word, the rows), LIKE what has them in this order."""
        tokens = re.findall(r"[0-9a-zA-Z]+", needle)
        if self.scans or not whole_words or not tokens:
            return self.substring(needle)
        found = f"hasAllTokens(original, {self.quote(' '.join(tokens))})"
        return found if tokens == [needle] else f"{found} AND {self.substring(needle)}"

    def substring(self, needle):
        pattern = re.sub(r"([\\%_])", r"\\\1", needle)
        return f"original LIKE {self.quote('%' + pattern + '%')}"

    def export(self, select, file):
        return f"{select} INTO OUTFILE {self.quote(file)} TRUNCATE FORMAT CSVWithNames"
