"""Huawei's own client against the CTS façade: pages, filters, bounds, types and errors, as its users meet them.

    pip install huaweicloudsdkcts==3.1.219
    python3 cts_sdk.py http://127.0.0.1:PORT PROJECT_ID EXPECTED_COUNT FROM_MS TO_MS

EXPECTED_COUNT is how many management events the project has between FROM_MS and TO_MS, both exclusive. Prints one line and
exits 0 when everything holds.
"""

import json
import sys
import urllib.parse
import urllib.request
from collections import Counter

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcts.v3 import (
    Attributes, BaseUser, CtsClient, ListOperationsRequest, ListTraceResourcesRequest, ListTracesRequest, ListUserResourcesRequest,
    SessionContext, Traces, UserInfo,
)

PAGE_ROWS = 50
PYTHON_TYPES = {
    "str": str, "int": int, "bool": bool, "list[str]": list, "UserInfo": UserInfo, "BaseUser": BaseUser,
    "SessionContext": SessionContext, "Attributes": Attributes,
}


def check(holds, what):
    if not holds:
        sys.exit(f"cts_sdk: {what}")


class Project:
    """The traces of one project in one period."""

    def __init__(self, url, project_id, from_ms, to_ms):
        credentials = BasicCredentials(ak="AKFORTESTSONLY", sk="not-a-secret", project_id=project_id)
        self.client = CtsClient.new_builder().with_credentials(credentials).with_endpoints([url]).build()
        self.url, self.id = url, project_id
        self.period = {"_from": from_ms, "to": to_ms}

    def ask(self, **parameters):
        return self.client.list_traces(ListTracesRequest(**{"trace_type": "system", **self.period, **parameters}))

    def pages(self, **parameters):
        """Every trace that matches, page by page until the marker is null."""
        traces = []
        while True:
            page = self.ask(**parameters)
            check(page.status_code == 200, f"status {page.status_code}")
            check(page.meta_data.count == len(page.traces), f"count {page.meta_data.count} of {len(page.traces)} rows")
            check(len(page.traces) <= parameters["limit"], "a page longer than its limit")
            for trace, raw in zip(page.traces, json.loads(page.raw_content)["traces"], strict=True):
                check_types(trace, raw, f"trace {raw['trace_id']}")
            traces += page.traces
            marker = page.meta_data.marker
            if marker is None:
                return traces
            check(marker == page.traces[-1].trace_id, "the marker is not the id of the last trace")
            parameters["next"] = marker


def check_types(model, raw, place):
    """What was sent is what the client's model declares, and the client made the same of it."""
    check(isinstance(raw, dict), f"{place} is no object: {raw!r}")
    for attribute, declared in model.openapi_types.items():
        key = model.attribute_map[attribute]
        value = getattr(model, attribute)
        if key not in raw:
            check(value is None, f"{place}.{key} came from nowhere")
            continue
        check(type(value) is PYTHON_TYPES[declared], f"{place}.{key} is {type(value).__name__}, not {declared}")
        if hasattr(value, "openapi_types"):
            check_types(value, raw[key], f"{place}.{key}")
        else:
            # The client converts in silence (str() of whatever came), so what came must need no conversion.
            check(type(raw[key]) is type(value) and raw[key] == value, f"{place}.{key} was sent as {raw[key]!r}")
            if isinstance(value, list):
                check(all(type(item) is str for item in value), f"{place}.{key} has items that are no text")


def operator(trace):
    """Who did it, as CTS's console shows it: a user by name, an agency as domain/agency, a federated user as provider/session."""
    user = trace.user
    if user is None:
        return None
    urn = user.principal_urn or ""
    if urn.startswith("sts::") and ":assumed-agency:" in urn:
        agency = urn.split(":assumed-agency:")[1].split("/")[0]
        return f"{user.domain.name}/{agency}" if user.domain and user.domain.name else agency
    if urn.startswith("sts::") and ":external-user:" in urn:
        return urn.split(":external-user:")[1]
    return user.user_name or user.name


def some_values(traces, value_of):
    """The most frequent value and the rarest."""
    counted = Counter(value for trace in traces if (value := value_of(trace))).most_common()
    return dict([counted[0], counted[-1]]) if counted else {}


def check_filters(project, traces):
    attributes = ["service_type", "resource_type", "trace_name", "resource_id", "resource_name", "trace_rating", "enterprise_project_id"]
    values = {name: lambda trace, name=name: getattr(trace, name) for name in attributes}
    values["user"] = operator
    values["access_key_id"] = lambda trace: trace.user and trace.user.access_key_id
    for name, value_of in values.items():
        for value in some_values(traces, value_of):
            expected = [trace.trace_id for trace in traces if value_of(trace) == value]
            found = [trace.trace_id for trace in project.pages(limit=PAGE_ROWS, **{name: value})]
            check(found == expected, f"{name}={value!r} gave {len(found)} traces, not {len(expected)}")
    first = traces[0]
    both = {"service_type": first.service_type, "trace_rating": first.trace_rating}
    if all(both.values()):
        expected = [trace.trace_id for trace in traces if all(getattr(trace, name) == value for name, value in both.items())]
        check([trace.trace_id for trace in project.pages(limit=200, **both)] == expected, f"{both} together gave other traces")
    check(project.pages(limit=PAGE_ROWS, user="no such user") == [], "an unknown user has traces")
    for trace in (traces[0], traces[len(traces) // 2], traces[-1]):
        # All other criteria are ignored beside a trace id.
        answer = project.ask(trace_id=trace.trace_id, user="no such user", limit=1)
        check([found.to_dict() for found in answer.traces] == [trace.to_dict()], f"trace_id={trace.trace_id} gave another trace")
        check(answer.meta_data.marker is None, "one trace has a next page")


def check_paging(project, traces):
    ids = [trace.trace_id for trace in traces]
    check([trace.trace_id for trace in project.pages(limit=200)] == ids, "another limit gave other traces")
    check([trace.trace_id for trace in project.ask().traces] == ids[:10], "a page without limit has not ten rows")
    # Clients that work out `next` themselves go on until a page is empty.
    middle = len(ids) // 2
    found = [trace.trace_id for trace in project.ask(next=ids[middle], limit=7).traces]
    check(found == ids[middle + 1:middle + 8], "next is not any trace id")
    end = project.ask(next=ids[-1])
    check(end.traces == [] and end.meta_data.count == 0 and end.meta_data.marker is None, "after the last trace there is more")


def check_bounds(project, traces):
    newest, oldest = traces[0].time, traces[-1].time
    inner = [trace.trace_id for trace in traces if oldest < trace.time < newest]
    if newest > oldest:
        found = [trace.trace_id for trace in project.pages(limit=PAGE_ROWS, _from=oldest, to=newest)]
        check(found == inner, f"bounds at the first and last trace gave {len(found)} traces, not the {len(inner)} between")
    wide = project.pages(limit=PAGE_ROWS, _from=oldest - 1, to=newest + 1)
    check(len(wide) == len(traces), "a millisecond beyond both ends is not enough")


def check_dictionaries(project, traces):
    """The drop-downs hold what the traces hold, and nothing else."""
    client = project.client
    answer = client.list_trace_resources(ListTraceResourcesRequest(domain_id=project.id))
    found = {(service.service_type, resource) for service in answer.resources for resource in service.resource}
    check(found == {(trace.service_type, trace.resource_type) for trace in traces}, f"resources: {sorted(found)}")
    triples = {(trace.service_type, trace.resource_type, trace.trace_name) for trace in traces}

    def operations(**parameters):
        answer = client.list_operations(ListOperationsRequest(**parameters))
        return {(item.service_type, item.resource_type, name) for item in answer.operations for name in item.operation_list}

    check(operations() == triples, "operations are not those of the traces")
    service, resource, _ = min(triples)
    check(operations(service_type=service) == {triple for triple in triples if triple[0] == service}, "operations of a service")
    narrow = operations(service_type=service, resource_type=resource)
    check(narrow == {triple for triple in triples if triple[:2] == (service, resource)}, "operations of a resource type")
    users = [user.name for user in client.list_user_resources(ListUserResourcesRequest()).users]
    check(users == sorted({operator(trace) for trace in traces if operator(trace)}), f"users: {users}")
    for version in ("v1.0", "v2.0"):
        query = urllib.parse.urlencode({"from": project.period["_from"], "to": project.period["to"], "limit": 200})
        with urllib.request.urlopen(f"{project.url}/{version}/{project.id}/system/trace?{query}") as response:
            page = json.load(response)
        check([trace["trace_id"] for trace in page["traces"]] == [trace.trace_id for trace in traces[:len(page["traces"])]], version)


def check_errors(project):
    for parameters in ({"limit": 201}, {"trace_rating": "fatal"}, {"next": "no such trace"}, {"trace_type": "other"}):
        try:
            project.ask(**parameters)
        except ClientRequestException as error:
            check(error.status_code == 400 and error.error_code == "CTS.0300" and error.error_msg, f"{parameters}: {error}")
        else:
            check(False, f"{parameters} was not refused")


def main():
    url, project_id, expected, from_ms, to_ms = sys.argv[1:]
    project = Project(url, project_id, int(from_ms), int(to_ms))
    traces = project.pages(limit=PAGE_ROWS)
    check(all(isinstance(trace, Traces) for trace in traces), "not the client's own traces")
    check(len(traces) == int(expected), f"{len(traces)} traces, not {expected}")
    check(len({trace.trace_id for trace in traces}) == len(traces), "a trace came twice")
    times = [trace.time for trace in traces]
    check(times == sorted(times, reverse=True), "not newest first")
    if traces:
        check_filters(project, traces)
        check_paging(project, traces)
        check_bounds(project, traces)
        check_dictionaries(project, traces)
    check_errors(project)
    # Data events: the same shapes; how many there are is not this script's to know.
    project.pages(limit=PAGE_ROWS, trace_type="data")
    print(f"cts_sdk: ok {len(traces)} traces")


if __name__ == "__main__":
    main()
