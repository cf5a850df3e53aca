"""Pages through the traces of a project with Huawei's own SDK and compares what its filters give.

usage: cts_sdk.py URL PROJECT_ID EXPECTED_COUNT FROM_MS TO_MS
prints "cts_sdk: ok N traces"
"""

import sys

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcts.v3 import CtsClient, ListTracesRequest

url, project, expected, start, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
credentials = BasicCredentials("access-key", "secret-key", project)
client = CtsClient.new_builder().with_credentials(credentials).with_endpoints([url]).build()


def ask(**conditions):
    conditions.setdefault("trace_type", "system")
    if "trace_id" not in conditions:
        conditions = {"_from": start, "to": end, **conditions}
    return client.list_traces(ListTracesRequest(**conditions))


def pages(limit=50, **conditions):
    traces, marker = [], None
    while True:
        page = ask(limit=limit, **({"next": marker} if marker else {}), **conditions)
        assert page.meta_data.count == len(page.traces) <= limit
        traces += page.traces
        marker = page.meta_data.marker
        if marker is None:
            return traces
        assert marker == page.traces[-1].trace_id


def ids(traces):
    return [trace.trace_id for trace in traces]


everything = pages()
assert len(everything) == expected, (len(everything), expected)
assert len(set(ids(everything))) == expected, "a trace came twice"
times = [trace.time for trace in everything]
assert times == sorted(times, reverse=True), "not newest first"

for trace in everything:
    for name in ("trace_id", "trace_name", "trace_rating", "trace_type", "service_type", "resource_type", "resource_name", "resource_id", "source_ip", "request", "response", "code", "api_version"):
        value = getattr(trace, name)
        assert isinstance(value, str), (name, value)
    assert isinstance(trace.time, int) and isinstance(trace.record_time, int)
    assert isinstance(trace.user.name, str) and isinstance(trace.user.user_name, str) and isinstance(trace.user.domain.id, str)

# A client that computes `next` itself stops at an empty page.
last = everything[-1].trace_id
after = ask(next=last)
assert after.traces == [] and after.meta_data.count == 0 and after.meta_data.marker is None

for limit in (7, 200):
    assert ids(pages(limit=limit)) == ids(everything)
for condition, attribute in [
    ("service_type", "service_type"),
    ("trace_rating", "trace_rating"),
    ("trace_name", "trace_name"),
    ("resource_type", "resource_type"),
    ("resource_id", "resource_id"),
    ("resource_name", "resource_name"),
]:
    value = getattr(everything[expected // 2], attribute)
    wanted = [trace.trace_id for trace in everything if getattr(trace, attribute) == value]
    assert ids(pages(**{condition: value})) == wanted, (condition, value)
user = everything[3].user.name
assert ids(pages(user=user)) == [trace.trace_id for trace in everything if trace.user.name == user]
four = dict(service_type="ECS", resource_type="ecs", trace_name="createServer", resource_name="web-3")
assert ids(pages(**four)) == [t.trace_id for t in everything if t.service_type == "ECS" and t.resource_name == "web-3"]
assert pages(trace_type="data") == []

# Both bounds are exclusive.
middle = everything[expected // 2].time
assert ids(pages(_from=middle)) == [trace.trace_id for trace in everything if trace.time > middle]
assert ids(pages(to=middle)) == [trace.trace_id for trace in everything if trace.time < middle]
# A trace id overrides every other condition.
one = ask(trace_id=last, user="nobody", service_type="nothing")
assert ids(one.traces) == [last] and one.meta_data.marker is None
assert ask(trace_id="no-such-trace").traces == []

for wrong in (dict(limit=201), dict(limit=0), dict(trace_type="other"), dict(trace_rating="fatal"), dict(next="no-such-trace"), dict(_from=12)):
    try:
        ask(**wrong)
    except ClientRequestException as refused:
        assert refused.status_code == 400 and refused.error_code == "CTS.0300" and refused.error_msg, refused
    else:
        raise AssertionError(f"{wrong} was not refused")

print(f"cts_sdk: ok {len(everything)} traces")
