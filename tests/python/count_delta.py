"""Counts the rows of a Delta table with Python's deltalake package, by tenant.

usage: count_delta.py TABLE
prints {"version": 3, "files": 5, "rows": 7, "tenants": {"a": 4, "b": 3}, "bytes_of_originals": 123}
"""

import json
import sys

import pyarrow.compute as pc
from deltalake import DeltaTable

table = DeltaTable(sys.argv[1])
rows = table.to_pyarrow_table()
counts = rows.group_by("tenant").aggregate([("seq", "count")]).to_pylist()
assert rows.schema.field("date").type == "date32", rows.schema
assert all(day == time.date() for day, time in zip(rows["date"].to_pylist(), rows["time"].to_pylist())), "a row lies in another date's folder"
print(
    json.dumps(
        {
            "version": table.version(),
            "files": len(table.file_uris()),
            "rows": rows.num_rows,
            "tenants": {row["tenant"]: row["seq_count"] for row in counts},
            "bytes_of_originals": pc.sum(pc.binary_length(rows["original"])).as_py() or 0,
            "amounts": [str(amount) for amount in rows["amount"].to_pylist() if amount is not None],
        }
    )
)
