"""OpenTelemetry's Python exporter against the OTLP door: every compression, lost answers, a busy server.

    python3 otlp.py URL TENANT

The exporter's own folder is on PYTHONPATH.
"""

import logging
import sys

from doors import Store, check, same
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from proxy import Proxy

url, tenant = sys.argv[1:]
store = Store(url, tenant)


def export(name, endpoint, compression, count):
    """Logs `count` records of a service of this name."""
    provider = LoggerProvider(resource=Resource({"service.name": name, "service.namespace": "shop"}))
    exporter = OTLPLogExporter(endpoint=endpoint, compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_export_batch_size=512))
    logger = logging.Logger(name)
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for number in range(count):
        logger.warning("退订 customer %d", number, extra={"user.name": "ann", "client.address": "10.0.0.7", "number": number})
    provider.shutdown()


for compression in Compression:
    export(f"plain-{compression.value}", f"{url}/v1/logs?tenant={tenant}", compression, 700)
    same(store.count(source=f"plain-{compression.value}"), 700, f"records by {compression}")
    same(store.count(source=f"plain-{compression.value}", level="warning", operator="ann", source_ip="10.0.0.7"), 700, "their fields")
same(store.count(text="退订"), 2_100, "by a word of the body")
same(store.count(text="attributes.number:699"), 3, "by an attribute")

proxy = Proxy(store.port)
proxy.plan = ["drop"]
export("dropped", f"{proxy.url}/otlp/{tenant}/v1/logs", Compression.NoCompression, 300)
same(store.count(source="dropped"), 300, "after a lost answer")
proxy.plan = ["503", "503"]
export("busy", f"{proxy.url}/otlp/{tenant}/v1/logs", Compression.Gzip, 300)
same(store.count(source="busy"), 300, "after 503 twice")
check("drop" in proxy.met and proxy.met.count("503") == 2, f"what the exporter met: {proxy.met}")
same(store.quarantined(), 0, "nothing in quarantine")
print("ok")
