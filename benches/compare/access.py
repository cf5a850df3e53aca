#!/usr/bin/env python3
"""What credentials, scopes, the trail and limits cost: one binary with and without them, on the same events, in turn.

    cargo build --release
    .venv/bin/python benches/compare/access.py --events 1000000

| part | measures |
|---|---|
| pages | the newest page, by each kind of credential and scope |
| callers | 64 principals that ask pages at once |
| connections | idle and busy connections, over TCP and TLS: memory, and whether every request ends |
| limits | one that floods beside one that does not; rates that are kept; `Retry-After` |

Both servers (`--auth none`, and one with credentials) have a copy of the same store and run at once; each question goes to
one and at once to the other, and who is first changes. All connections are kept.
"""

import argparse
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

import limits
import report
from credentials import AccessKey, Provider, basic, bearer
from crowd import Caller, Crowd, run
from measure import summary
from server import Server

END = "2026-06-30T00:00:00Z"
PARTS = ("pages", "callers", "connections", "limits")
# A page with credentials takes at most so many times as long as one without, and so many milliseconds.
MARK = (1.3, 0.3)


def arguments():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description="Measures what credentials, scopes, the trail and limits cost.")
    add = parser.add_argument
    add("--annals", default=f"{target}/release/annals", metavar="BINARY", help="default: %(default)s")
    add("--events", type=int, default=1_000_000, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=1, help="default: %(default)s")
    add("--repeat", type=int, default=300, metavar="N", help="pages that are asked of each caller; default: %(default)s")
    add("--seconds", type=float, default=10, help="how long crowds ask; default: %(default)s")
    add("--idle", type=int, default=10_000, metavar="N", help="idle connections; default: %(default)s")
    add("--busy", type=int, default=1_000, metavar="N", help="busy connections; default: %(default)s")
    add("--customers", default="10,1000,5000", metavar="N,N,…", help="customers of the partners; default: %(default)s")
    add("--settle", type=int, default=120, metavar="SECONDS", help="wait at most so long for merging, for each server; default: %(default)s")
    add("--only", action="append", choices=PARTS, help="may be repeated")
    add("--json", metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    args.annals = str(pathlib.Path(shutil.which(args.annals) or parser.error(f"{args.annals}: no such program")).resolve())
    return args


class Stage:
    """A store with principals, its copy without, and a server of each."""

    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        self.data, self.copy, self.seal = self.folder / "guarded", self.folder / "open", self.folder / "seal.key"
        self.provider = Provider(folder)
        self.command("init", "--data", self.data, "--seal-key-file", self.seal)
        self.admin = (self.data / "first-admin-token").read_text().strip()
        made = subprocess.Popen([args.annals, "generate", "--events", str(args.events), "--seed", str(args.seed), "--end", END], stdout=subprocess.PIPE)
        self.command("ingest", "--data", self.data, "--tenant-from", "project_id", "-", stdin=made.stdout)
        self.command("compact", "--data", self.data)
        shutil.copytree(self.data, self.copy)
        self.open = Server(args.annals, self.copy)
        self.tenants = [one["tenant"] for one in sorted(self.open.get("/api/v1/tenants")["tenants"], key=lambda one: -one["events"])]
        self.tenant = self.tenants[0]
        self.guarded = self.serve()
        for server in (self.open, self.guarded):
            server.settle(args.settle)

    def serve(self, *options, tls=None):
        """A server with credentials; another one of this stage must have been stopped."""
        oidc = ["--oidc-issuer", self.provider.issuer, "--oidc-client-id", "annals"]
        options = ["--seal-key-file", str(self.seal), *oidc, *options]
        return Server(self.args.annals, self.data, first="/api/v1/me", options=options, token=self.admin, tls=tls)

    def command(self, *words, stdin=None):
        return subprocess.run([self.args.annals, *map(str, words)], stdin=stdin, stdout=subprocess.PIPE, check=True, text=True).stdout

    def administer(self, path, body):
        """`POST` as the administrator; returns the answer."""
        return self.guarded.administer(path, body)

    def principal(self, name, **settings):
        """Makes a principal that reads the largest tenant; returns a token of it."""
        self.administer("principals", {"name": name, "roles": ["reader"], "tenants": [self.tenant]} | settings)
        return self.administer(f"principals/{name}/tokens", {})["token"]

    def urls(self, more=""):
        """Newest pages before moments that differ: never the same question twice."""
        for number in itertools.count():
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_782_777_600 - 617 * (number % 10_000)))
            yield f"/api/v1/events?tenant={self.tenant}&to={moment}.{number // 10_000:03}Z{more}"

    def close(self):
        for server in (self.open, self.guarded):
            server.stop()


def callers(stage):
    """What is compared: a name, the headers of a URL, and the filter that shows the operator the same."""
    tokens = {"reader": stage.principal("reader")}
    stage.administer("principals", {"name": "jwt", "roles": ["reader"], "tenants": [stage.tenant], "identities": ["oidc:sub:somebody"]})
    jwt, key = stage.provider.token("somebody", "annals"), AccessKey(*access_key(stage, "reader"))
    host = f"{stage.guarded.host}:{stage.guarded.port}"
    masked = stage.principal("masked", masks={"source_ip": "hash", "operator": "last4", "resource_id": "hide"})
    few = stage.principal("few", rows={"source": ["IAM", "ECS", "OBS"]})
    yield "token (Bearer)", lambda url: bearer(tokens["reader"]), {}
    yield "token (Basic)", lambda url: basic("reader", tokens["reader"]), {}
    yield "signed (AK/SK)", lambda url: key.headers(host, url), {}
    yield "JSON Web Token (RS256)", lambda url: bearer(jwt), {}
    yield "masks of three fields", lambda url: bearer(masked), {}
    yield "rows of three sources", lambda url: bearer(few), {"source": ["IAM", "ECS", "OBS"]}
    yield from partners(stage)


def asking(connection, url, same, headers=""):
    """A call that asks for a page, with the values of a filter in JSON where they are too many for a URL."""
    if not same:
        return lambda: connection.get(url, headers)
    path, _, query = url.partition("?")
    body = json.dumps(dict(urllib.parse.parse_qsl(query)) | same).encode()
    return lambda: connection.post(f"{path}/query", body)


def access_key(stage, name):
    made = stage.administer(f"principals/{name}/access-keys", {})
    return made["id"], made["secret"]


def partners(stage):
    found = stage.open.get("/api/v1/top?tenant=*&field=related_ids.customer&size=1000")["values"]
    counts = [int(count) for count in stage.args.customers.split(",")]
    ids = [one["value"] for one in found] + [f"customer-{number}" for number in range(max(counts))]
    for count in counts:
        partner = f"p{count}"
        for customer in ids[:count]:
            stage.administer("relationships", {
                "partner": partner, "customer": customer, "tenants": [stage.tenant], "from": "2020-01-01T00:00:00Z"})
        token = stage.principal(partner, partner=partner, tenants=[])
        # A filter has a thousand values at most, the others of the question among them: what more customers cost is
        # measured, and compared with the largest filter that there is.
        same = {"related_ids": [f"customer:{one}" for one in ids[:min(count, 990)]]}
        yield f"partner of {count:,} customers", lambda url, token=token: bearer(token), same


def pages(stage):
    lines = ["| newest page asked with | without, first | with | 99 of 100 | ratio | without, again | with | 99 of 100 | ratio | mark |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    out, open_to_all, guarded = [], stage.open.connect(), stage.guarded.connect()
    guarded.headers = ""
    urls = stage.urls()
    for name, headers, same in callers(stage):
        times = {side: {"first": [], "again": []} for side in ("without", "with")}
        for number in range(-20, stage.args.repeat):
            url = next(urls)
            sides = [("without", asking(open_to_all, url, same)), ("with", asking(guarded, url, {}, headers(url)))]
            for side, ask in sides if number % 2 else sides[::-1]:
                for kind in ("first", "again"):
                    begun = time.perf_counter()
                    answer = ask()
                    seconds = time.perf_counter() - begun
                    if number >= 0:
                        times[side][kind].append(seconds)
                    elif number == -1 and kind == "again":
                        rows = len(json.loads(answer)["events"])
        figures = {side: {kind: summary(values) for kind, values in kinds.items()} for side, kinds in times.items()}
        cells, reached = [], True
        for kind in ("first", "again"):
            base, own = figures["without"][kind], figures["with"][kind]
            reached = reached and own["p50"] <= MARK[0] * base["p50"] + MARK[1]
            cells += [f"{base['p50']:.2f}", f"{own['p50']:.2f}", f"{own['p99']:.2f}", f"{own['p50'] / base['p50']:.2f}"]
        lines.append(f"| {name} ({rows} events) | " + " | ".join(cells) + f" | {report.said(reached)} |")
        print(lines[-1], flush=True)
        out.append({"caller": name, "rows": rows, "figures": figures, "reached": reached})
    return out, "\n".join(lines)


def crowds(stage):
    """64 principals, one connection each: pages that were not asked before, and the same page again and again."""
    tokens = [stage.principal(f"caller-{number}") for number in range(64)]
    lines = ["| 64 callers at once | pages/s without | with | ratio | median without | with | 99 of 100 without | with | refused |", "|---|" + "--:|" * 8]
    out = []
    for kind, more in (("other pages", None), ("the same page", "&to=2026-06-29T00:00:00Z")):
        groups = {"without": [], "with": []}
        for turn in range(6):
            side, server = (("without", stage.open), ("with", stage.guarded))[turn % 2]
            made = []
            for number, token in enumerate(tokens):
                url = f"/api/v1/events?tenant={stage.tenant}{more}"
                own = itertools.repeat(url) if more else stage.urls(f"&limit={50 - number % 2}")
                for _ in range(0 if more else 150 * number + 10_000 * turn):
                    next(own)
                made.append(Caller((server.host, server.port), bearer(token) if side == "with" else "", own))
            crowd = Crowd(made)
            run([crowd], stage.args.seconds)
            crowd.close()
            groups[side].append(crowd)
        rates = {side: sorted(crowd.rate() for crowd in turns)[1] for side, turns in groups.items()}
        times = {side: summary([one for crowd in turns for one in crowd.seconds]) for side, turns in groups.items()}
        refused = sum(sum(count for status, count in crowd.statuses.items() if status != 200) for crowd in groups["without"] + groups["with"])
        lines.append(
            f"| {kind} | {rates['without']:,.0f} | {rates['with']:,.0f} | {rates['without'] / rates['with']:.2f} | {times['without']['p50']:.1f} | {times['with']['p50']:.1f} "
            f"| {times['without']['p99']:.1f} | {times['with']['p99']:.1f} | {refused} |")
        print(lines[-1], flush=True)
        out.append({"kind": kind, "rates": rates, "times": times, "refused": refused})
    return out, "\n".join(lines)


def main():
    args = arguments()
    only = args.only or PARTS
    # Told to end, what was started is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="annals-access-") as folder:
        stage = Stage(args, folder)
        try:
            load = os.getloadavg()[0]
            print(f"machine: {report.machine()}; load average {load:.1f}\nevents: {args.events:,} of seed {args.seed}; milliseconds\n")
            out, tables = {"machine": report.machine(), "events": args.events, "load_average": load}, []
            for part, measure in zip(PARTS, (pages, crowds, limits.connections, limits.fairness)):
                if part in only:
                    out[part], table = measure(stage)
                    tables.append(table)
        finally:
            stage.close()
    print("\n" + "\n\n".join(tables))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
