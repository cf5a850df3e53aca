"""A stub of Cloud Trace Service and of the partner centre (partner_stub.py), with faults.

It recomputes each signature by the vendor's signer, and answers with the vendor's models. What it is asked to do is sent
to /_stub as JSON, one order a request; it answers with what was asked:

  {"traces": [{"project", "tracker", "trace", "after": SECONDS}]}   traces, shown that long from now
  {"fill": {"project", "count", "from", "to"}}                      many traces of a kind
  {"faults": {"flow", "error", "cut", "empty", "slow": PART}}       how often calls fail, from 0 to 1
  {"keys": {"AK": "SK"}}, {"clock": SECONDS}                        keys that are accepted, and what its clock is off by
  {"ids": PROJECT}                                                  the ids of all traces of a project

Prints its port.
"""
import bisect
import json
import random
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkcts.v3 import Traces, UserInfo

from partner_stub import PartnerCentre

SKEW = 15 * 60
PAGE_MAX = 200


class Cloud:
    """What there is, and how it fails."""

    def __init__(self, seed):
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.lists = {}
        self.faults = {}
        self.keys = {"AKTEST": "SKTEST"}
        self.clock = 0.0
        self.calls = 0
        self.partner = PartnerCentre(seed)

    def now(self):
        return time.time() + self.clock

    def add(self, project, tracker, trace, after=0.0):
        order = self.lists.setdefault((project, tracker), [])
        bisect.insort(order, (trace["time"], trace["trace_id"], self.now() + after, json.dumps(trace, ensure_ascii=False)))

    def fill(self, project, count, begin, end):
        step = (end - begin) / max(count, 1)
        order = self.lists.setdefault((project, None), [])
        for number in range(count):
            moment = int(begin + number * step)
            trace = made(f"{project}-{number:07}", moment)
            order.append((moment, trace["trace_id"], 0.0, json.dumps(trace, ensure_ascii=False)))
        order.sort()

    def fails(self, kind):
        return self.random.random() < self.faults.get(kind, 0)


def made(trace_id, moment):
    """A trace, as the vendor's model writes it."""
    user = UserInfo(name="li.na", id="u1")
    model = Traces(
        trace_id=trace_id, trace_name="createServer", trace_rating="normal", trace_type="ApiCall", service_type="ECS",
        resource_type="ecs", resource_name="web", resource_id="r-" + trace_id, user=user, source_ip="10.0.0.1", code="200",
        time=moment, record_time=moment + 5)
    trace = {name: value for name, value in model.to_dict().items() if value is not None}
    trace["user"] = {"name": user.name, "id": user.id}
    return trace


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=(), cut=False):
        payload = json.dumps(body, ensure_ascii=False).encode() if not isinstance(body, bytes) else body
        self.send_response_only(status)
        self.send_header("Date", formatdate(cloud.now(), usegmt=True))
        self.send_header("Content-Type", "application/json")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if cut else payload)
        if cut:
            self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/_stub":
            return self.serve(body)
        order = json.loads(body)
        answer = {}
        with cloud.lock:
            for one in order.get("traces", []):
                trace = one["trace"] if "time" in one["trace"] else made(one["trace"]["trace_id"], int(cloud.now() * 1000))
                cloud.add(one["project"], one.get("tracker"), trace, one.get("after", 0.0))
            if "fill" in order:
                fill = order["fill"]
                cloud.fill(fill["project"], fill["count"], fill["from"], fill["to"])
            cloud.faults = order.get("faults", cloud.faults)
            cloud.keys = order.get("keys", cloud.keys)
            cloud.clock = order.get("clock", cloud.clock)
            answer.update(cloud.partner.order(order, cloud.now()))
            if "ids" in order:
                answer["ids"] = [one[1] for (project, _), all_of in cloud.lists.items() if project == order["ids"] for one in all_of]
            answer["calls"] = cloud.calls
        self.answer(200, answer)

    def do_GET(self):
        return self.serve(b"")

    def serve(self, sent):
        with cloud.lock:
            cloud.calls += 1
            refusal = self.refused(sent)
            fails = {kind: cloud.fails(kind) for kind in ("flow", "error", "cut", "empty", "slow")}
        if refusal is not None:
            return self.answer(*refusal)
        if fails["slow"]:
            time.sleep(0.2)
        if fails["flow"]:
            return self.answer(429, {"error_code": "CBC.0250", "error_msg": "flow control"}, [("Retry-After", "0")])
        if fails["error"]:
            return self.answer(500, {"error_code": "CTS.0005", "error_msg": "read failed"})
        path = urlsplit(self.path)
        query = dict(parse_qsl(path.query, keep_blank_values=True))
        with cloud.lock:
            partner = cloud.partner.answer(path.path, query, json.loads(sent or b"{}"), cloud.now())
        if partner is not None:
            status, body = partner
            if fails["empty"] and int(query.get("offset", 0)) > 0:
                total = json.loads(body)["total_count"]
                body = '{"total_count":%d,"records":[]}' % total
            return self.answer(status, body.encode() if isinstance(body, str) else body, cut=fails["cut"])
        parts = path.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "v3" or parts[2] != "traces":
            return self.answer(404, {"error_code": "CTS.0100", "error_msg": "no such interface"})
        if query.get("trace_type") not in ("system", "data"):
            return self.answer(400, {"error_code": "CTS.0300", "error_msg": "trace_type"})
        tracker = query.get("tracker_name") if query["trace_type"] == "data" else None
        with cloud.lock:
            page, marker = self.page(cloud.lists.get((parts[1], tracker), []), query)
        if fails["empty"] and query.get("next"):
            page, marker = [], None
        body = '{"traces":[%s],"meta_data":%s}' % (",".join(page), json.dumps({"count": len(page), "marker": marker}))
        return self.answer(200, body.encode(), cut=fails["cut"])

    def page(self, order, query):
        """The newest first; both ends exclusive; from the trace with the id of `next` on towards earlier."""
        limit = min(int(query.get("limit", 10)), PAGE_MAX)
        begin, end = int(query["from"]), int(query["to"])
        now = cloud.now()
        low = bisect.bisect_right(order, (begin, "\uffff"))
        high = bisect.bisect_left(order, (end, ""))
        if "next" in query:
            at = next((place for place in range(high - 1, low - 1, -1) if order[place][1] == query["next"]), None)
            high = low if at is None else at
        page, last = [], None
        for place in range(high - 1, low - 1, -1):
            if order[place][2] <= now:
                page.append(order[place][3])
                last = order[place][1]
                if len(page) == limit:
                    break
        return page, last

    def refused(self, sent_body):
        """What is wrong with the signature, if anything is."""
        sent = self.headers.get("Authorization", "")
        if not sent.startswith("SDK-HMAC-SHA256 "):
            return 401, {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}
        said = dict(part.strip().split("=", 1) for part in sent[len("SDK-HMAC-SHA256 "):].split(","))
        secret = cloud.keys.get(said.get("Access"))
        if secret is None:
            return 401, {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information: AK access failed"}
        path = urlsplit(self.path)
        signed = said["SignedHeaders"].split(";")
        headers = {name: self.headers[name] for name in signed}
        request = SdkRequest(
            method=self.command, schema="http", host=self.headers["Host"], resource_path=unquote(path.path), uri=None,
            query_params=parse_qsl(path.query, keep_blank_values=True), header_params=headers, body=sent_body.decode(), stream=False)
        if Signer(BasicCredentials(said["Access"], secret)).sign(request).header_params["Authorization"] != sent:
            return 401, {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information: verify aksk signature fail"}
        dated = time.mktime(time.strptime(self.headers["X-Sdk-Date"], "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(dated - cloud.now()) > SKEW:
            return 401, {"error_code": "APIGW.0303", "error_msg": "Incorrect app authentication information: timestamp expired"}
        return None


cloud = Cloud(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
