"""A client of the doors with a credential, in every form that it has, with a wrong one and with none.

    python3 credentials.py URL TENANT CLIENT NAME TOKEN

What is delivered has the name of the form as its name (Elasticsearch, OpenSearch) or source: twenty events for each, sent
twice. The client's own folder is on PYTHONPATH.
"""

import os
import sys

from doors import check, same

url, tenant, kind, name, token = sys.argv[1:]
key = token.split("_")[1]
wrong = token[:-1] + ("a" if token[-1] != "a" else "b")


def elastic():
    if kind == "opensearch":
        from opensearchpy import OpenSearch as Client, helpers
    else:
        from elasticsearch import Elasticsearch as Client, helpers
    basic = "basic_auth" if kind[-1] in "89" else "http_auth"
    forms = {"basic": {basic: (name, token)}, "any-name": {basic: ("token", token)}}
    refused = {"wrong-basic": {basic: (name, wrong)}, "another-name": {basic: ("somebody", token)}, "none": {}}
    if kind != "opensearch":
        forms["api-key"] = {"api_key": (key, token)}
        refused["wrong-key"] = {"api_key": (key, wrong)}
        refused["another-key"] = {"api_key": ("aaaaaaaaaaaa", token)}
    if kind[-1] in "89":
        forms["bearer"] = {"bearer_auth": token}
        refused["wrong-bearer"] = {"bearer_auth": wrong}
    if kind == "opensearch":
        forms["bearer"] = {"headers": {"Authorization": f"Bearer {token}"}}

    def documents(form):
        time = "2026-06-01T00:00:00Z"
        return [{"_index": "theirs", "_id": f"{form}-{number}", "@timestamp": time, "event": {"action": form}} for number in range(20)]

    for place in (f"{url}/es/{tenant}", url):
        for form, options in forms.items():
            # Where the URL does not name the tenant, the credential does: the index never does.
            client = Client([place], **options)
            check(client.ping(), f"a ping with {form}")
            for _ in range(2):
                same(helpers.bulk(client, documents(f"{kind}-{form}")), (20, []), f"{form} at {place}")
        for form, options in refused.items():
            client = Client([place], **options)
            check(not client.ping(), f"no ping with {form}")
            try:
                helpers.bulk(client, documents(f"{kind}-{form}"))
                check(False, f"{form} must be refused")
            except Exception as error:  # each client has errors of its own
                check("401" in str(error), f"{form} is not allowed: {error}")


def otlp():
    import base64
    import logging
    from urllib.parse import quote

    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    def export(form, **options):
        provider = LoggerProvider(resource=Resource({"service.name": f"{kind}-{form}"}))
        exporter = OTLPLogExporter(endpoint=f"{url}/v1/logs", **options)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        logger = logging.Logger(form)
        logger.addHandler(LoggingHandler(logger_provider=provider))
        for number in range(20):
            logger.warning("number %d", number)
        provider.shutdown()

    encoded = base64.b64encode(f"{name}:{token}".encode()).decode()
    export("bearer", headers={"authorization": f"Bearer {token}"})
    export("basic", headers={"authorization": f"Basic {encoded}"})
    os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=" + quote(f"Bearer {token}")
    export("environment")
    os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=" + quote(f"Bearer {wrong}")
    export("wrong")
    del os.environ["OTEL_EXPORTER_OTLP_HEADERS"]
    export("none")


def cloudevents():
    import requests
    from cloudevents.conversion import to_structured
    from cloudevents.http import CloudEvent

    def send(form, status, **options):
        for number in range(20):
            attributes = {"id": f"e{number}", "type": "t", "source": f"{kind}-{form}", "time": "2026-06-01T00:00:00Z"}
            headers, body = to_structured(CloudEvent(attributes, {"number": number}))
            for _ in range(2):
                answer = requests.post(f"{url}/cloudevents", headers={**headers, **options.get("headers", {})}, data=body, auth=options.get("auth"))
                same(answer.status_code, status, f"{form}: {answer.text}")

    send("bearer", 200, headers={"Authorization": f"Bearer {token}"})
    send("basic", 200, auth=(name, token))
    send("header", 200, headers={"X-Auth-Token": token})
    send("wrong", 401, headers={"Authorization": f"Bearer {wrong}"})
    send("none", 401)


{"otel": otlp, "otel136": otlp, "cloudevents": cloudevents}.get(kind, elastic)()
print("ok")
