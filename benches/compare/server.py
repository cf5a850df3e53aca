"""Annals' side: `annals serve` as a process that is started, asked over one kept connection, watched and stopped.

A question is a request over a plain socket: bytes out, headers and body in, the body read as JSON by orjson. Python's http.client
and json cost several tenths of a millisecond more, which would be measured as ours; exports, which are chunked, use the former.
"""

import http.client
import os
import pathlib
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import orjson


def memory(pid):
    """Resident bytes of a process: now, and at most so far."""
    out = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM", "RssAnon"):
            out[name] = int(value.split()[0]) * 1024
    return {"now": out.get("VmRSS", 0), "peak": out.get("VmHWM", 0), "anonymous": out.get("RssAnon", 0)}


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Connection:
    """A connection that stays open and asks one thing at a time."""

    def __init__(self, host, port, headers="", tls=None):
        """`headers` go with every request, each with its line's end; `tls` is an `ssl.SSLContext`."""
        self.host, self.headers = f"{host}:{port}", headers
        self.socket = socket.create_connection((host, port), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")

    def get(self, url, headers=""):
        self.socket.sendall(f"GET {url} HTTP/1.1\r\nHost: {self.host}\r\n{self.headers}{headers}\r\n".encode())
        return self.answer(url)

    def post(self, url, body):
        head = f"POST {url} HTTP/1.1\r\nHost: {self.host}\r\n{self.headers}Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.socket.sendall(body)
        return self.answer(url)

    def answer(self, url):
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.more(url)
        head = received[:end].decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        pieces, got = [received[end + 4 :]], len(received) - end - 4
        while got < length:
            pieces.append(self.more(url))
            got += len(pieces[-1])
        body = b"".join(pieces)
        if status == 503:
            raise Busy(body)
        if status != 200:
            raise RuntimeError(f"{url}: {status} {body[:600].decode(errors='replace')}")
        return body

    def more(self, url):
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise RuntimeError(f"{url}: the server closed the connection")
        return piece

    def close(self):
        self.socket.close()


class Busy(Exception):
    """503: to be tried again."""


class Server:
    """`annals serve` on a free port. `start_seconds` is from exec to the first answer."""

    name = "annals"

    def __init__(self, annals, data, first="/api/v1/count?tenant=*&level=incident", options=(), token=None, tls=None):
        """Without a token the server asks for no credential; with one it does, and this process calls with it."""
        who = [] if token else ["--create", "--auth", "none"]
        self.tls, self.administration = tls, None
        self.headers = f"Authorization: Bearer {token}\r\n" if token else ""
        command = [annals, "serve", "--data", str(data), *who, "--listen", "127.0.0.1:0", *options]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            self.lines = queue.Queue()
            threading.Thread(target=self.read, daemon=True).start()
            line, seen = "", []
            while "serving " not in line:
                line = self.lines.get(timeout=600)
                if line is None:
                    sys.exit("annals serve ended: " + "".join(seen))
                seen.append(line)
            address = urllib.parse.urlsplit(line.split()[-1])
            self.host, self.port = address.hostname, address.port
            self.connection = self.connect()
            self.get(first)
            self.start_seconds = time.perf_counter() - started
        except BaseException:
            self.stop()
            raise

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def said(self):
        return "".join(line or "" for line in list(self.lines.queue))[-4000:]

    def connect(self):
        return Connection(self.host, self.port, self.headers, self.tls)

    def get(self, url):
        try:
            return orjson.loads(self.connection.get(url))
        except OSError as error:
            sys.exit(f"{url}: {error!r}; annals serve has exit code {self.process.poll()} and said: {self.said()}")

    def administer(self, path, body):
        """`POST` below `/api/v1/`; returns the answer. A connection is kept for it."""
        if self.administration is None:
            self.administration = http.client.HTTPConnection(self.host, self.port, timeout=600)
        headers = dict(line.split(": ", 1) for line in self.headers.splitlines()) | {"Content-Type": "application/json"}
        self.administration.request("POST", f"/api/v1/{path}", orjson.dumps(body), headers)
        response = self.administration.getresponse()
        answer = response.read()
        if response.status not in (200, 201):
            raise RuntimeError(f"{path}: {response.status} {answer[:600]!r}")
        return orjson.loads(answer)

    def ask(self, shape, file):
        """The seconds until the answer is there, and the answer in its comparable form."""
        url = shape.url()
        started = time.perf_counter()
        if shape.exports:
            self.download(url, file)
            seconds = time.perf_counter() - started
            return seconds, shape.from_file(file)
        answer = self.get(url)
        seconds = time.perf_counter() - started
        return seconds, shape.from_json(answer)

    def download(self, url, file):
        """Streams an answer into a file, and fails unless it is whole."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        try:
            connection.request("GET", url)
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"{url}: {response.status} {response.read(600)!r}")
            with open(file, "wb") as out:
                while piece := response.read(1 << 20):
                    out.write(piece)
        finally:
            connection.close()

    def state(self):
        return self.get("/readyz")

    def metrics(self):
        out = {}
        for line in self.connection.get("/metrics").decode().splitlines():
            if not line.startswith("#") and "{" not in line:
                name, value = line.split()
                out[name.removeprefix("annals_")] = float(value)
        return out

    def memory(self):
        return memory(self.process.pid)

    def idle(self, seconds):
        """Whether the process does next to nothing for so long."""
        before = processor_seconds(self.process.pid)
        time.sleep(seconds)
        return processor_seconds(self.process.pid) - before < 0.05 * seconds

    def settle(self, seconds):
        """Waits until everything is sealed and merging has come to rest; at most so long. Returns whether it has."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.state()
            if self.idle(5) and before["buffered"] == 0 and self.state()["segments"] == before["segments"]:
                return True
        return False

    def stop(self):
        if hasattr(self, "connection"):
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
