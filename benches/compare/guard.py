"""The guard for CI: a handful of questions against DuckDB in the same run; fails on ratios alone, never on wall time.

A floor is about half of the ratio that was measured with 200,000 events on two busy cores: it catches what has become
twice as slow, and nothing that a loaded machine does to both sides alike.
"""

FLOORS = {
    "newest page of a tenant": 1.0,
    "page by four dimensions": 0.5,
    "page by four dimensions, no hit": 1.0,
    "page by resource id": 1.0,
    "one event by trace id": 1.0,
    "count by four dimensions, 30 days": 0.5,
    "count by word": 1.0,
    "count by phrase": 1.0,
}
EVENTS = 200_000


def below(results):
    """The questions whose ratio is below its floor, or whose answers differ."""
    failed = []
    for result in results:
        floor = FLOORS[result["question"]]
        if result["differ"]:
            failed.append(f"{result['question']}: the answers differ\n  {result['differences'][0]}")
        elif result["ratio"] < floor:
            failed.append(f"{result['question']}: {result['ratio']:.2f} times as fast as DuckDB; the floor is {floor:.2f}")
    return failed
