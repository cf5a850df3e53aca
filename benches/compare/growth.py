"""The same questions at several sizes, Annals alone: how times, segments, start and memory grow with history."""

from measure import ask_all
from report import WIDTH, number, said
from stage import Stage

# Marks 1 and 2: ten times the history, and a page or a dashboard takes at most so many times as long.
FLAT = 1.5


def grow(args, sizes, folder, questions):
    """Loads and asks each size in turn; returns what was measured of each."""
    steps = []
    for events in sizes:
        stage = Stage(args, events, folder, [])
        try:
            results = ask_all(stage, questions, args.repeat)
            steps.append({"events": events, "figures": stage.gather()["annals"], "questions": results})
        finally:
            stage.close()
    return steps


def table(steps):
    """A line for each question: its medians, and the last divided by the first."""
    sizes = [step["events"] for step in steps]
    lines = [
        f"| {'question':{WIDTH}} | " + " | ".join(f"{size:,}" for size in sizes) + " | factor | flat |",
        f"|{'-' * (WIDTH + 2)}|" + "--:|" * (len(sizes) + 1) + "---|",
    ]
    medians = [{result["question"]: result["sides"]["annals"]["first"]["p50"] for result in step["questions"]} for step in steps]
    must = {result["question"] for result in steps[-1]["questions"] if result["flat"]}
    for name in medians[-1]:
        values = [of.get(name) for of in medians]
        factor = values[-1] / values[0] if values[0] else None
        flat = said(factor <= FLAT) if factor and name in must else ""
        lines.append(f"| {name:{WIDTH}} | " + " | ".join(number(value) for value in values) + f" | {number(factor)} | {flat} |")
    whole = [
        ("segments", lambda figures: figures["segments"]),
        ("start, s", lambda figures: figures["start_seconds"]),
        ("RSS after the start, MiB", lambda figures: figures["rss_after_start"] / 2**20),
        ("RSS at most while asked, MiB", lambda figures: figures["rss_peak_while_asked"] / 2**20),
        ("RSS at most while loading, MiB", lambda figures: figures["peak_rss"] / 2**20),
        ("events/s taken in", lambda figures: figures["events_per_second"]),
        ("bytes per event", lambda figures: figures["bytes"]["live"]),
    ]
    for name, of in whole:
        values = [of(step["figures"]) for step in steps]
        lines.append(f"| {name:{WIDTH}} | " + " | ".join(number(float(value)) for value in values) + f" | {number(values[-1] / values[0])} | |")
    return "\n".join(lines)
