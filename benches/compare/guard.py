"""The guard for CI: a handful of questions against DuckDB in the same run; fails on ratios alone, never on wall time.

A ratio here is DuckDB's least time divided by Annals' least time, of all first asks: what else a machine does lengthens
some asks of both sides, and the shortest ones little. A floor is about half of what was measured with 200,000 events and the
binary of `cargo build` (the slower one), on two busy cores: it catches what has become twice as slow. Whoever makes a
question faster raises its floor.
"""

# question: DuckDB's least time divided by ours, at least
FLOORS = {
    "newest page of a tenant": 0.8,
    "page by four dimensions": 0.7,
    "page by four dimensions, no hit": 0.9,
    "page by resource id": 0.9,
    "one event by trace id": 1.0,
    "page by rare word of the request": 1.4,
    "count by four dimensions, 30 days": 0.7,
    "facets of 5 fields, whole tenant": 0.8,
    "top 20 operators of a resource type": 0.7,
    "whole table: failures by source": 0.45,
    "count by word": 1.6,
    "count by phrase": 1.5,
}
EVENTS = 200_000


def ratio(result):
    """DuckDB's least time divided by Annals'."""
    return result["sides"]["duckdb"]["first"]["min"] / result["sides"]["annals"]["first"]["min"]


def below(results):
    """The questions whose ratio is below its floor, or whose answers differ; and a line for each question."""
    failed, lines = [], ["| question | ratio of least times | floor |", "|---|--:|--:|"]
    for result in results:
        floor = FLOORS[result["question"]]
        lines.append(f"| {result['question']} | {ratio(result):.2f} | {floor} |")
        if result["differ"]:
            failed.append(f"{result['question']}: the answers differ\n  {result['differences'][0]}")
        elif ratio(result) < floor:
            failed.append(f"{result['question']}: {ratio(result):.2f} times as fast as DuckDB; the floor is {floor}")
    missing = FLOORS.keys() - {result["question"] for result in results}
    failed += [f"{name}: not asked" for name in sorted(missing)]
    return failed, "\n".join(lines)
