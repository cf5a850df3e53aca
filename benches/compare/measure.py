"""Asks all sides the same question in turn, first and again at once, and compares every answer."""

import statistics
import sys
import time

from peers import Scanning
from questions import NoValue

# Asks with other parameters before those that count, on all sides: at least, at most, and for how many seconds. A server that
# runs for weeks has its files mapped and compared; one that has just started would be measured doing that.
WARMUPS = (2, 20, 6.0)


def summary(seconds):
    """Median and, by nearest rank, the 95th and 99th of 100; in milliseconds."""
    ordered = sorted(one * 1000 for one in seconds)

    def rank(share):
        return ordered[-(-len(ordered) * share // 100) - 1]

    return {"p50": statistics.median(ordered), "p95": rank(95), "p99": rank(99), "min": ordered[0], "max": ordered[-1]}


def differ(question, shape, ours, side, theirs):
    url, sql = shape.url(), shape.sql(side.dialect) if hasattr(side, "dialect") else ""
    lines = [f"{question.name}: the answers differ", url, sql]
    if isinstance(ours, list) and isinstance(theirs, list):
        lines += [f"only Annals: {[one for one in ours if one not in theirs][:5]}", f"only {side.name}: {[one for one in theirs if one not in ours][:5]}"]
    lines += [f"Annals {str(ours)[:600]}", f"{side.name} {str(theirs)[:600]}"]
    return "\n  ".join(lines)


def ask(question, stage, repeat):
    """Times and sizes of one question; `None` if the events have no value to ask for."""
    sides = [stage.server, *stage.peers]
    if question.needs_record and stage.args.no_record:
        sides = [stage.server]
    if question.mark == "words":
        sides += [Scanning(peer) for peer in sides[1:] if peer.name == "clickhouse"]
    times = {side.name: {"first": [], "repeated": []} for side in sides}
    found, differences, urls = [], [], set()
    started, number, repetition = time.perf_counter(), 0, -1
    while repetition + 1 < min(repeat, question.most):
        if number >= WARMUPS[0] and (number >= WARMUPS[1] or time.perf_counter() - started > WARMUPS[2]):
            repetition += 1
        number += 1
        try:
            shape = question.make(stage.draw, number - 1)
        except NoValue as missing:
            print(f"# {question.name}: not asked, the events have no {missing} value", file=sys.stderr)
            return None
        answers = []
        for side in sides:
            file = stage.folder / f"export-{side.name}.csv"
            first, answer = side.ask(shape, file)
            again, repeated = side.ask(shape, file)
            file.unlink(missing_ok=True)
            answers += [(side, answer), (side, repeated)]
            if repetition >= 0:
                times[side.name]["first"].append(first)
                times[side.name]["repeated"].append(again)
        ours = answers[0][1]
        differences += [differ(question, shape, ours, side, theirs) for side, theirs in answers if theirs != ours]
        if repetition >= 0:
            found.append(shape.size(ours))
            urls.add(shape.url())
    figures = {name: {kind: summary(values) for kind, values in kinds.items()} for name, kinds in times.items()}
    return {
        "question": question.name, "mark": question.mark, "flat": question.flat, "sides": figures, "found": found, "repetitions": len(found),
        "distinct_questions": len(urls), "example": shape.url(), "differences": differences[:3], "differ": len(differences),
    }


def ask_all(stage, questions, repeat, each=lambda result: None):
    results = []
    for question in questions:
        result = ask(question, stage, repeat)
        if result:
            results.append(result)
            each(result)
    return results
