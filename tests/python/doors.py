"""What the scripts of the doors share: what the store holds, and what must hold."""

import json
import urllib.parse
import urllib.request


class Store:
    def __init__(self, url, tenant):
        self.url, self.tenant = url, tenant
        self.port = urllib.parse.urlsplit(url).port

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode({"tenant": self.tenant, **parameters}, doseq=True)
        with urllib.request.urlopen(f"{self.url}{path}?{query}") as answer:
            return json.load(answer)

    def count(self, **filters):
        return self.ask("/api/v1/count", **filters)["count"]

    def quarantined(self):
        return self.ask("/api/v1/quarantine")["total"]


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r} instead of {wanted!r}")
