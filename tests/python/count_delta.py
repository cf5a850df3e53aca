"""Counts the rows of a Delta table with Python's deltalake package, by tenant.

usage: count_delta.py TABLE
prints {"version": 3, "files": 5, "rows": 7, "tenants": {"a": 4, "b": 3}, "bytes_of_originals": 123}
"""

import json
import sys

import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

table = DeltaTable(sys.argv[1])
# Without a file system of its own pyarrow reads through deltalake's, which is Python: a thread of
# pyarrow that still closes a file when the interpreter ends is killed there, and takes the process
# with it ("terminate called without an active exception").
rows = table.to_pyarrow_table(filesystem=SubTreeFileSystem(sys.argv[1], LocalFileSystem()))
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
