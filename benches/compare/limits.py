"""Connections and limits of a server with credentials: memory, and who is held back by whom."""

import http.client
import itertools
import json
import socket
import ssl
import threading
import time

from credentials import bearer
from crowd import Beside, Caller, Crowd, run
from measure import summary

MIB = 2**20
# How long rates are measured.
SECONDS = 10


def connections(stage):
    """Memory with idle connections that have asked once, with busy ones beside them, and after all have gone."""
    args, lines, out = stage.args, [], []
    stage.guarded.stop()
    stage.command("cert", "--out", stage.folder / "tls")
    trusted = ssl.create_default_context(cafile=stage.folder / "tls/cert.pem")
    room = str(args.idle + args.busy + 100)
    tls = ["--tls-cert", str(stage.folder / "tls/cert.pem"), "--tls-key", str(stage.folder / "tls/key.pem")]
    tokens = []
    for name, context, options in (("TCP", None, []), ("TLS 1.3", trusted, tls)):
        server = stage.guarded = stage.serve("--connections", room, *options, tls=context)
        tokens = tokens or [stage.principal(f"busy-{number}") for number in range(64)]
        address = (server.host, server.port)
        busy = lambda count: Crowd([  # noqa: E731 (asked twice, below)
            Caller(address, bearer(tokens[number % 64]), stage.urls(f"&limit={number % 50 + 1}"), context) for number in range(count)])
        warm = busy(64)
        run([warm], args.seconds / 2)
        warm.close()
        memory = {"before": server.memory()["now"]}
        begun = time.perf_counter()
        idle = Crowd([Caller(address, "", itertools.repeat("/livez"), context) for _ in range(args.idle)])
        opened = time.perf_counter() - begun
        run([idle], 0)
        memory["idle"] = server.memory()["now"]
        crowd = busy(args.busy)
        run([crowd], args.seconds)
        memory["busy"] = server.memory()["peak"]
        crowd.close()
        idle.close()
        time.sleep(5)
        memory["after"] = server.memory()["now"]
        figures = summary(crowd.seconds)
        # The largest store: a server with so many connections ends as every other.
        begun = time.perf_counter()
        server.stop()
        stopped = time.perf_counter() - begun
        each = (memory["idle"] - memory["before"]) / args.idle / 1024
        lost = idle.statuses[0] + crowd.statuses[0]
        lines.append(
            f"| {name} | {memory['before'] / MIB:,.0f} | {memory['idle'] / MIB:,.0f} | {each:.1f} | {memory['busy'] / MIB:,.0f} | {memory['after'] / MIB:,.0f} | {crowd.rate():,.0f} "
            f"| {figures['p50']:.0f} | {figures['p99']:.0f} | {crowd.statuses[503]} | {lost} |")
        print(lines[-1], flush=True)
        out.append({"kind": name, "memory": memory, "opened_seconds": opened, "stopped_seconds": stopped, "idle": dict(idle.statuses),
                    "busy": dict(crowd.statuses), "times": figures})
    stage.guarded = stage.serve()
    head = (f"| {args.idle:,} idle and {args.busy:,} busy | MiB before | idle | KiB each | most while busy | after | pages/s | median, ms | 99 of 100 "
            "| 503 | without an answer |\n|---|" + "--:|" * 10)
    return out, head + "\n" + "\n".join(lines)


def fairness(stage):
    flooded, first = floods(stage)
    kept, second = rates(stage)
    return {"flood": flooded, "rates": kept, "retry_after": retries(stage)}, f"{first}\n\n{second}"


def floods(stage):
    """A polite caller (a page each 50 ms) beside one of 256 connections that ask without a pause."""
    server, args = stage.guarded, stage.args
    address = (server.host, server.port)
    polite, lines, out = stage.principal("polite"), [], []
    kinds = [("nobody", {}, 0), ("32 questions at a time (the default)", {}, 256), ("4 questions at a time", {"questions": 4}, 256),
             ("100 requests a second", {"requests": 100}, 256)]
    for what, more in (("pages", ""), ("searches of the text", "&substring=quite+rare+{}")):
        for number, (name, limits, count) in enumerate(kinds):
            token = stage.principal(f"flood-{number}-{what.split()[0]}", limits=limits) if count else ""
            flood = Beside(lambda: [Caller(address, bearer(token), stage.urls(more.format(at))) for at in range(count)], args.seconds)
            crowd = Crowd([Caller(address, bearer(polite), stage.urls("&limit=20"), pause=0.05)])
            run([crowd], args.seconds)
            crowd.close()
            flood = flood.ended()
            figures = summary(crowd.seconds)
            refused = sum(crowd.statuses.values()) - crowd.statuses[200]
            lines.append(
                f"| {name}{', ' + what if count else ''} | {figures['p50']:.1f} | {figures['p99']:.1f} | {crowd.statuses[200]} | {refused} "
                f"| {flood.rate():,.0f} | {flood.statuses[503] / flood.span:,.0f} |")
            print(lines[-1], flush=True)
            out.append({"flood": name, "asks": what, "polite": figures, "statuses": dict(crowd.statuses), "flood_statuses": dict(flood.statuses)})
    head = ("| who floods, held to | polite: median, ms | 99 of 100 | answered | refused | flood: answered/s | refused/s |\n|---|" + "--:|" * 6)
    return out, head + "\n" + "\n".join(lines)


def rates(stage):
    """What gets through in ten seconds, and what may: the rate, and as much as may come at once."""
    kept = [
        ("requests/s", 100, 100 * SECONDS + 100, requests(stage, 100)),
        ("questions at a time (exports)", 2, 2, exports(stage, 2)),
        ("bytes in/s", MIB, MIB * SECONDS, bytes_in(stage, MIB)),
        ("rows out/s, pages", 10_000, 10_000 * SECONDS, rows_out(stage, 10_000)),
    ]
    lines = ["| limit | set to | at most in 10 s | measured |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {limit:,} | {most:,} | {measured:,} |" for name, limit, most, measured in kept]
    print("\n".join(lines), flush=True)
    return [{"limit": name, "set": limit, "most": most, "measured": measured} for name, limit, most, measured in kept], "\n".join(lines)


def requests(stage, limit):
    address = (stage.guarded.host, stage.guarded.port)
    token = stage.principal("of-requests", limits={"requests": limit})
    crowd = Crowd([Caller(address, bearer(token), stage.urls("&limit=1")) for _ in range(16)])
    run([crowd], SECONDS)
    crowd.close()
    return crowd.statuses[200]


def exports(stage, limit):
    """How many of four exports have begun while none has ended. Each is read slowly, and the server writes no faster."""
    token = stage.principal("of-questions", roles=["auditor"], limits={"questions": limit, "rows_out": 1_000})
    begun, sockets = 0, []
    for _ in range(4):
        one = socket.create_connection((stage.guarded.host, stage.guarded.port), timeout=60)
        one.sendall(f"GET /api/v1/events.ndjson?tenant={stage.tenant} HTTP/1.1\r\nHost: {stage.guarded.host}:{stage.guarded.port}\r\n{bearer(token)}\r\n".encode())
        sockets.append(one)
    end = time.monotonic() + 5
    for one in sockets:
        one.settimeout(max(end - time.monotonic(), 0.05))
        try:
            begun += one.recv(12) == b"HTTP/1.1 200"
        except TimeoutError:
            pass
    for one in sockets:
        one.close()
    return begun


def bytes_in(stage, limit):
    """Bytes of bodies that were stored within ten seconds, of four connections that send 256 KiB at a time."""
    token = stage.principal("of-bytes", roles=["ingest"], limits={"bytes_in": limit})
    stored, end, lock = [0], time.monotonic() + SECONDS, threading.Lock()

    def send(sender):
        connection = http.client.HTTPConnection(stage.guarded.host, stage.guarded.port, timeout=120)
        for number in itertools.count():
            record = {"trace_id": f"bytes-{sender}-{number}", "event_name": "n", "source": "ECS", "time": "2026-06-01T00:00:00Z", "details": "x" * (256 << 10)}
            body = json.dumps(record)
            connection.request("POST", f"/api/v1/events?tenant={stage.tenant}", body, {
                "Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            answer.read()
            if time.monotonic() > end:
                return
            with lock:
                stored[0] += len(body) if answer.status == 200 else 0

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return stored[0]


def rows_out(stage, limit):
    """Events of pages of a thousand that were answered within ten seconds to four connections."""
    address = (stage.guarded.host, stage.guarded.port)
    token = stage.principal("of-rows", limits={"rows_out": limit})
    crowd = Crowd([Caller(address, bearer(token), stage.urls("&limit=1000")) for _ in range(4)])
    begun = time.perf_counter()
    run([crowd], SECONDS)
    crowd.close()
    # What was answered after the ten seconds counts for the time that it took.
    return round(crowd.statuses[200] * 1000 * SECONDS / (time.perf_counter() - begun))


def retries(stage):
    """How often a request was refused, and how often again after `Retry-After`."""
    token = stage.principal("of-retries", limits={"requests": 3})
    connection = http.client.HTTPConnection(stage.guarded.host, stage.guarded.port, timeout=60)
    refused, again, due = 0, 0, False
    while refused < 10:
        connection.request("GET", f"/api/v1/count?tenant={stage.tenant}", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 503:
            refused, again = refused + 1, again + due
            time.sleep(int(answer.headers["Retry-After"]))
        due = answer.status == 503
    print(f"refused {refused} times, again after Retry-After {again} times", flush=True)
    return {"refused": refused, "again": again}
