"""A proxy that loses answers, or has no time: what a shipper meets on a bad day."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Forwards to 127.0.0.1:port. Requests that write meet the next step of `plan`: "drop" hands the request on and closes the
    connection without an answer, "503" does not even hand it on; without a step they pass."""

    def __init__(self, port, writes=("_bulk", "/v1/logs")):
        self.plan, self.met = [], []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                path = self.path.split("?")[0].rstrip("/")
                step = proxy.plan.pop(0) if proxy.plan and path.endswith(writes) else "pass"
                if path.endswith(writes):
                    proxy.met.append(step)
                if step == "503":
                    return self.answer(503, {"Retry-After": "0", "Content-Type": "application/json"}, b"{}")
                upstream = http.client.HTTPConnection("127.0.0.1", port)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
                if step == "drop":
                    self.close_connection = True
                    return self.connection.close()
                headers = {name: value for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "content-length")}
                self.answer(answer.status, headers, content)

            def answer(self, status, headers, content):
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = handle_any

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
