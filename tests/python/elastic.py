"""An Elasticsearch or OpenSearch client against the door: what it asks first, bulk writes, repeats, errors.

    python3 elastic.py URL TENANT (elasticsearch7|elasticsearch8|elasticsearch9|opensearch)

The client's own folder is on PYTHONPATH: its versions do not live side by side.
"""

import http.client
import sys
import time

from doors import Store, check, same
from proxy import Proxy

url, tenant, kind = sys.argv[1:]
if kind == "opensearch":
    from opensearchpy import OpenSearch as Client, helpers
else:
    from elasticsearch import Elasticsearch as Client, helpers

store = Store(url, tenant)
client = Client([f"{url}/es/{tenant}"])
check(client.ping(), "a ping")
check(client.info()["version"]["number"].startswith("8."), "a version")


def documents(name, count, **more):
    return [
        {
            "_index": "audit-2025.01", "_id": f"{name}-{number}", "@timestamp": f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
            "event": {"action": name, "outcome": "success"}, "user.name": "用户", "message": f"document {number}", **more,
        }
        for number in range(count)
    ]


# One that cannot be decoded: it is kept, the others are stored, and the client is content.
first = documents("first", 500)
first[250]["@timestamp"] = "no time at all"
same(helpers.bulk(client, first), (500, []), "500 documents")
same((store.count(event_name="first"), store.quarantined()), (499, 1), "stored and in quarantine")
same(store.count(operator="用户", source="audit-2025.01"), 499, "by operator and index")
same(helpers.bulk(client, first), (500, []), "the same again")
same(store.count(event_name="first"), 499, "not doubled")

# The same id with another content is a conflict, told in the client's own way.
changed = documents("first", 3, other=1)
try:
    helpers.bulk(client, changed)
    check(False, "a conflict must be an error")
except helpers.BulkIndexError as error:
    same([item["index"]["status"] for item in error.errors], [409, 409, 409], "conflicts")
same(store.count(event_name="first"), 499, "what was there stays")
same(store.quarantined(), 4, "and what conflicts is kept")

# Without ids, and twice the same line in one request: both are events.
plain = [{"_index": "lines", "@timestamp": "2025-02-01T00:00:00Z", "message": "session opened"} for _ in range(2)]
same(helpers.bulk(client, plain), (2, []), "lines")
same(store.count(source="lines"), 2, "equal lines")

# An answer that was lost, and a server that has no time: sent again, and there once.
proxy = Proxy(store.port)
through = Client([f"{proxy.url}/es/{tenant}"], http_compress=True)
through.info()
proxy.plan = ["drop"]
same(helpers.bulk(through, documents("dropped", 100) + plain), (102, []), "after a lost answer")
same((store.count(event_name="dropped"), store.count(source="lines")), (100, 2), "not doubled")
proxy.plan = ["503", "503"]
same(helpers.bulk(through, documents("busy", 100)), (100, []), "after 503 twice")
same(store.count(event_name="busy"), 100, "delivered once")
same(proxy.met[:2] + proxy.met[-3:], ["drop", "pass", "503", "503", "pass"], "what the client met")

# One document at a time.
body = {"document" if kind[-1] in "89" else "body": {"@timestamp": "2025-03-01T00:00:00Z", "event.action": "single"}}
same(client.index(index="audit", id="one", **body)["result"], "created", "a document")
same(client.index(index="audit", id="one", **body)["result"], "noop", "the same document")
same(client.create(index="audit", id="two", **body)["result"], "created", "a document that must be new")
same(store.ask("/api/v1/events/audit%2Fone")["event_name"], "single", "found by its id, which is that of its index")

# Not what an append-only store does.
for call in (lambda: client.delete(index="audit", id="one"), lambda: client.update(index="audit", id="one", body={"doc": {}})):
    try:
        call()
        check(False, "a refusal")
    except Exception as error:  # each client has errors of its own
        check("405" in str(error) or "404" in str(error) or "400" in str(error), f"a clear refusal: {error}")

large = documents("large", 2_000, filling="x" * 2_000)
begun = time.monotonic()
same(helpers.bulk(through, large, chunk_size=2_000), (2_000, []), "2,000 documents in one request")
same(store.count(event_name="large"), 2_000, "all of them")

# What no client's library does here, and proxies do: a body whose length nobody knows.
action = b'{"create":{"_index":"chunked","_id":"c%d"}}\n{"@timestamp":"2025-04-01T00:00:00Z","filling":"%s"}\n'
connection = http.client.HTTPConnection("127.0.0.1", store.port)
body = (action % (number, b"y" * 2_000) for number in range(3_000))
connection.request("POST", f"/es/{tenant}/_bulk", body, {"Content-Type": "application/x-ndjson"}, encode_chunked=True)
answer = connection.getresponse()
check(answer.status == 200 and b'"errors":false,"items":[' in answer.read()[:60], "a chunked body")
same(store.count(source="chunked"), 3_000, "all of it")
print(f"ok {kind} {time.monotonic() - begun:.1f} s")
