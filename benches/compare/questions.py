"""The questions: all shapes of the table in speed.md and more, each with the mark that it has to reach.

A maker takes the drawer of parameters and the number of the repetition. Where a question has few distinct values, its
end moves by some hours with each repetition, so that none is asked twice.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Callable

from dialect import Where
from draw import FOUR, NoValue
from load import END
from shapes import Count, Export, Facets, Histogram, One, Page, Sums, Top

FACETS = ["source", "resource_type", "event_name", "level", "source_ip"]
WORDS = ["rollback", "pipeline", "patch", "terraform", "capacity", "release", "window", "after"]
PHRASES = ["rollback after failed deploy", "monthly patch window", "created by pipeline", "scale out for release", "capacity test"]
CHINESE = ["华北生产集群扩容", "测试服务器回收", "双十一压测环境", "等保测评加固", "月度补丁"]
# Frequent texts that begin and end within words, so that no word of theirs can be looked up.
FREQUENT = ["escriptio", "nterprise_projec", "ssumed-agenc", "nabled\\\":tru", "lavorRe", "dminPas", "ob_i", "UCCES"]


@dataclass
class Question:
    name: str
    # A key of report.MARKS.
    mark: str
    make: Callable
    # At most so many repetitions.
    most: int = 1000
    # Whether the record is searched, so that a peer without records cannot answer.
    needs_record: bool = False
    # Whether it must not take longer as history grows.
    flat: bool = False


def hours(repetition):
    return timedelta(hours=7 * repetition + 1)


def four(event):
    return {field: event[field] for field in FOUR}


# --- list pages ---


def newest(draw, n):
    return Page(Where(draw.largest(n, among=20)))


def by_four(draw, n):
    event = draw.trace("four", n)
    return Page(Where(event["tenant"]).equal(**four(event)))


def no_hit(draw, n):
    event = draw.trace("none", n)
    other = draw.event("other", n, lambda one: one["format"] == "cts" and one["source"] != event["source"])
    return Page(Where(event["tenant"]).equal(**{**four(event), "event_name": other["event_name"]}))


def by_resource(draw, n):
    event = draw.trace("resource", n, "resource_id")
    return Page(Where(event["tenant"]).equal(resource_id=event["resource_id"]))


def by_trace(draw, n):
    event = draw.event("trace", n)
    return One(Where(event["tenant"]), event["trace_id"])


def ticket(draw, purpose, n):
    found = re.compile(r'"(?:CHG|INC|REQ)-\d{5} .')
    event = draw.event(purpose, n, lambda one: found.search(one["original"]))
    return event["tenant"], found.search(event["original"]).group(0)[1:]


def rare_word(draw, n):
    tenant, text = ticket(draw, "ticket", n)
    return Page(Where(tenant).text(f'"{text[:9]}"', text[:9]))


def deep(draw, n):
    event = draw.trace("deep", n)
    return Page(Where(event["tenant"]).equal(**four(event)).period(end=END - timedelta(days=60) - hours(n)))


def by_operator(draw, n):
    event = draw.trace("operator", n, "operator")
    end = END - timedelta(days=10) - hours(n)
    return Page(Where(event["tenant"]).equal(operator=event["operator"]).period(end - timedelta(days=7), end))


def scattered(draw, n):
    return Page(Where(draw.largest()).equal(**draw.scattered(n)))


def related_event(draw, purpose, n):
    def named(event):
        return next((value for value in event.get("related_ids") or [] if not value.startswith("relation:")), None)

    event = draw.event(purpose, n, named, key=named)
    return event["tenant"], named(event)


def by_related(draw, n):
    tenant, value = related_event(draw, "related", n)
    return Page(Where(tenant).related(value))


def by_prefix(draw, n):
    event = draw.trace("prefix", n, "resource_name")
    return Page(Where(event["tenant"]).prefix("resource_name", event["resource_name"][:-1]).period(end=END - hours(n)))


def network_of(draw, purpose, n):
    event = draw.event(purpose, n, lambda one: re.fullmatch(r"\d+\.\d+\.\d+\.\d+", one.get("source_ip") or ""))
    return event["tenant"], event["source_ip"].split(".")


def page_of_network(draw, n):
    tenant, parts = network_of(draw, "network page", n)
    return Page(Where(tenant).network(f"{'.'.join(parts[:3])}.0/24").period(end=END - hours(n)))


def flavor(draw, purpose, n):
    found = re.compile(r'\\"flavorRef\\":\\"([^"\\]+)\\"')
    value = draw.distinct(purpose, n, "original", lambda one: '"server' in one["original"] and found.search(one["original"]))
    text, value = found.search(value).group(0, 1)
    return Where(draw.largest()).text(f"request.server.flavorRef:{value}", text).period(end=END - hours(n))


def page_by_path(draw, n):
    return Page(flavor(draw, "path page", n))


def chinese(draw, n):
    text = CHINESE[n % len(CHINESE)]
    return Where(draw.largest()).text(f'"{text}"', text, whole_words=False).period(end=END - hours(n))


def page_by_chinese(draw, n):
    return Page(chinese(draw, n))


# --- counts, histograms, facets, top lists, sums ---


def count_four(draw, n):
    event = draw.trace("count", n)
    end = END - timedelta(days=5) - hours(n)
    return Count(Where(event["tenant"]).equal(**four(event)).period(end - timedelta(days=30), end))


def count_network(draw, n):
    tenant, parts = network_of(draw, "network", n)
    return Count(Where(tenant).network(f"{parts[0]}.0.0.0/8").period(end=END - hours(n)))


def count_amounts(draw, n):
    event = draw.event("amount", n, lambda one: one.get("amount"))
    return Count(Where(event["tenant"]).at_least(event["amount"]).period(end=END - hours(n)))


def by_hour(draw, n):
    source = draw.distinct("histogram", n, "source")
    return Histogram(Where(draw.largest()).equal(source=source).period(end=END - hours(n)))


def levels_by_day(draw, n):
    return Histogram(Where(draw.largest(n, among=3)).period(end=END - hours(n)), unit="day", by="level")


def operator_facets(draw, n):
    return Facets(Where(draw.largest()).equal(operator=draw.distinct("operator facets", n, "operator")), FACETS)


def tenant_facets(draw, n):
    return Facets(Where(draw.largest(n, among=3)).period(end=END - hours(n)), FACETS)


def top_operators(draw, n):
    kind = draw.distinct("top operators", n, "resource_type")
    return Top(Where(draw.largest()).equal(resource_type=kind).period(end=END - hours(n)), "operator")


def sums_by_operator(draw, n):
    return Sums(Where(draw.largest(n, among=3)).equal(format="partner").period(end=END - hours(n)), "operator")


def sums_by_currency(draw, n):
    return Sums(Where(None).equal(format="partner").period(end=END - hours(n)), "currency")


def dashboard(draw, n):
    fields = ["source", "level", "trace_type", "event_type", "resource_type", "format", "event_name", "currency"]
    return Facets(Where(None), (fields + fields)[n % 8 :][:5], size=10 + n // 8)


def dashboard_days(draw, n):
    return Histogram(Where(None).equal(source=draw.distinct("dashboard", n, "source")), unit="day", by="level")


# --- scans of columns, words, substrings, exports ---


def failures(draw, n):
    return Top(Where(None).equal(level=["warning", "incident"]).period(end=END - hours(n)), "source")


def addresses(draw, n):
    return Top(Where(None).period(end=END - hours(n)), "source_ip")


def count_word(draw, n):
    word = WORDS[n % len(WORDS)]
    return Count(Where(draw.largest()).text(word, word).period(end=END - hours(n)))


def count_phrase(draw, n):
    phrase = PHRASES[n % len(PHRASES)]
    return Count(Where(draw.largest()).text(f'"{phrase}"', phrase).period(end=END - hours(n)))


def count_chinese(draw, n):
    return Count(chinese(draw, n))


def count_path(draw, n):
    return Count(flavor(draw, "path count", n))


def rare_substring(draw, n):
    tenant, text = ticket(draw, "rare substring", n)
    return Count(Where(tenant).substring(text[1:]))


def substring_of_id(draw, n):
    event = draw.trace("id substring", n, "request_id")
    return Count(Where(event["tenant"]).substring(event["request_id"][2:15]))


def frequent_substring(draw, n):
    return Count(Where(draw.largest()).substring(FREQUENT[n % len(FREQUENT)]).period(end=END - hours(n)))


def export(draw, n):
    end = END - timedelta(days=3) - hours(n)
    return Export(Where(draw.largest()).period(end - timedelta(days=30), end))


QUESTIONS = [
    Question("newest page of a tenant", "list", newest, flat=True),
    Question("page by four dimensions", "list", by_four, flat=True),
    Question("page by four dimensions, no hit", "list", no_hit, flat=True),
    Question("page by resource id", "list", by_resource, flat=True),
    Question("one event by trace id", "list", by_trace, flat=True, needs_record=True),
    Question("page by rare word of the request", "list", rare_word, flat=True, needs_record=True),
    Question("page by four dimensions, 60 days back", "list", deep, flat=True),
    Question("page of an operator within 7 days", "list", by_operator, flat=True),
    Question("scattered page: 50 hits over the whole tenant", "list", scattered, flat=True),
    Question("page by related id", "list", by_related, flat=True),
    Question("page by prefix of the resource name", "list", by_prefix, flat=True),
    Question("page by network (CIDR /24)", "list", page_of_network, flat=True),
    Question("page by path:value", "list", page_by_path, flat=True, needs_record=True),
    Question("page by Chinese phrase", "list", page_by_chinese, flat=True, needs_record=True),
    Question("count by four dimensions, 30 days", "aggregate", count_four),
    Question("count by network (CIDR /8)", "aggregate", count_network),
    Question("count of amounts from a bound", "aggregate", count_amounts),
    Question("hourly histogram of a source, 120 days", "aggregate", by_hour),
    Question("daily histogram by level, whole tenant", "aggregate", levels_by_day, flat=True),
    Question("facets of 5 fields, one operator", "aggregate", operator_facets),
    Question("facets of 5 fields, whole tenant", "aggregate", tenant_facets, flat=True),
    Question("top 20 operators of a resource type", "aggregate", top_operators),
    Question("sum of amounts by operator (partner)", "aggregate", sums_by_operator),
    Question("whole table: sum of amounts by currency", "aggregate", sums_by_currency),
    Question("whole table: facets of 5 fields", "aggregate", dashboard, flat=True),
    Question("whole table: daily levels of a source", "aggregate", dashboard_days),
    Question("whole table: failures by source", "scan", failures),
    Question("whole table: top 20 source IPs", "scan", addresses),
    Question("count by word", "words", count_word, needs_record=True),
    Question("count by phrase", "words", count_phrase, needs_record=True),
    Question("count by Chinese phrase", "words", count_chinese, needs_record=True),
    Question("count by path:value", "words", count_path, needs_record=True),
    Question("count by rare substring with a word", "rare substring", rare_substring, needs_record=True),
    Question("count by piece of an id", "rare substring", substring_of_id, needs_record=True),
    Question("count by frequent substring", "frequent substring", frequent_substring, needs_record=True),
    Question("export of 30 days as CSV", "export", export, most=5),
]

__all__ = ["QUESTIONS", "NoValue", "Question"]
