"""The CloudEvents SDK for Python against the door: structured, batched, binary.

    python3 cloud_events.py URL TENANT
"""

import json
import sys

import requests
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from doors import Store, check, same

url, tenant = sys.argv[1:]
store = Store(url, tenant)


def event(number):
    attributes = {
        "id": f"e{number}", "type": "com.example.user.created", "source": "/iam/用户", "subject": f"user-{number}",
        "time": "2025-01-01T00:00:00Z", "authid": "ann",
    }
    return CloudEvent(attributes, {"number": number, "name": "名"})


def send(headers, body):
    answer = requests.post(f"{url}/cloudevents/{tenant}", headers=headers, data=body)
    same(answer.status_code, 200, f"an answer: {answer.text}")
    return answer.json()


same(send(*to_structured(event(1)))["accepted"], 1, "structured")
headers, body = to_binary(event(2))
same(send({name: value.encode() for name, value in headers.items()}, body)["accepted"], 1, "binary, as the SDK sends it")
batch = [json.loads(to_structured(event(number))[1]) for number in range(3, 8)]
kind = {"content-type": "application/cloudevents-batch+json"}
same(send(kind, json.dumps(batch))["accepted"], 5, "a batch")
same(send(kind, json.dumps(batch))["duplicates"], 5, "the batch again")
same(send(kind, "[]")["accepted"], 0, "an empty batch")
same(store.count(source="/iam/用户", event_name="com.example.user.created", operator="ann"), 7, "by their attributes")
same(store.count(text="data.name:名"), 7, "by their data")
same(store.count(related_ids="event:e5"), 1, "by id")
same(store.ask("/api/v1/events/" + requests.utils.quote("e2@/iam/用户", safe=""))["resource_id"], "user-2", "one of them")

answer = requests.options(f"{url}/cloudevents/{tenant}", headers={"WebHook-Request-Origin": "example.com"})
same((answer.status_code, answer.headers.get("WebHook-Allowed-Origin")), (200, "example.com"), "the handshake")
check(send({"content-type": "application/cloudevents+json"}, '{"specversion":"1.0","id":"x"}')["quarantined"], "what is incomplete is kept")
print("ok")
