"""Huawei's own client with an access key: its signatures are accepted, and only for what it may see.

    pip install huaweicloudsdkcts==3.1.219
    python3 cts_signed.py http://127.0.0.1:PORT PROJECT_ID AK SK EXPECTED_COUNT FROM_MS TO_MS

Prints one line and exits 0 when everything holds.
"""

import http.client
import sys
from urllib.parse import urlsplit

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkcts.v3 import CtsClient, ListTracesRequest


def check(holds, what):
    if not holds:
        sys.exit(f"cts_signed: {what}")


def client(url, ak, sk, project_id=None):
    credentials = BasicCredentials(ak=ak, sk=sk, project_id=project_id)
    return CtsClient.new_builder().with_credentials(credentials).with_endpoints([url]).build()


def refused(call, status, code):
    try:
        call()
    except ClientRequestException as error:
        check(error.status_code == status and error.error_code == code, f"not {status} {code}: {error}")
    else:
        check(False, f"{status} {code} did not come")


def send(url, credentials, method, path, query, headers, body):
    """A request that the client's signer signs, sent by another library."""
    place = urlsplit(url)
    request = SdkRequest(method=method, schema="http", host=place.netloc, resource_path=path, query_params=query,
                         header_params=dict(headers), body=body)
    signed = Signer(credentials).sign(request)
    connection = http.client.HTTPConnection(place.netloc)
    connection.request(method, signed.uri, body=signed.body, headers=signed.header_params)
    response = connection.getresponse()
    return response.status, response.read().decode()


def main():
    url, project, ak, sk, expected, from_ms, to_ms = sys.argv[1:]
    period = {"_from": int(from_ms), "to": int(to_ms)}
    cts = client(url, ak, sk, project)
    traces = cts.list_traces(ListTracesRequest(trace_type="system", limit=200, **period)).traces
    check(len(traces) == int(expected), f"{len(traces)} traces, not {expected}")
    name = traces[0].resource_name
    found = cts.list_traces(ListTracesRequest(trace_type="system", limit=200, resource_name=name, **period)).traces
    check(found and all(trace.resource_name == name for trace in found), f"resource_name={name!r} found {len(found)}")

    ask = ListTracesRequest(trace_type="system", **period)
    refused(lambda: client(url, ak, "x" * 40, project).list_traces(ask), 401, "APIGW.0301")
    refused(lambda: client(url, "A" * 20, sk, project).list_traces(ask), 401, "APIGW.0301")
    refused(lambda: client(url, ak, sk, "another").list_traces(ask), 403, "CTS.0002")

    credentials = BasicCredentials(ak=ak, sk=sk, project_id=project)
    json_type = {"Content-Type": "application/json"}
    query = [("tenant", project), ("resource_name", name)]
    status, text = send(url, credentials, "GET", "/api/v1/count", query, json_type, "")
    check(status == 200 and text == f'{{"count":{len(found)}}}', f"count: {status} {text}")
    body = '{"resource_name": "%s"}' % name
    status, text = send(url, credentials, "POST", "/api/v1/count/query", [("tenant", project)], json_type, body)
    check(status == 200 and text == f'{{"count":{len(found)}}}', f"count by POST: {status} {text}")
    status, text = send(url, credentials, "GET", "/v3/projects", [("name", project)], json_type, "")
    check(status == 200 and f'"id":"{project}"' in text, f"projects: {status} {text}")
    # For a body of another type the signer signs none of it.
    status, text = send(url, credentials, "POST", "/api/v1/count/query", [], {"Content-Type": "text/plain"}, body)
    check(status == 401 and "UNSIGNED-PAYLOAD" in text, f"unsigned body: {status} {text}")
    print(f"cts_signed: ok {len(traces)} traces")


if __name__ == "__main__":
    main()
