"""The picture of a run: one group of bars a question, on a logarithmic scale, with its mark; written as SVG by hand.

It is readable on light and dark pages: colours are chosen by the viewer's scheme, the ground is transparent.
"""

import math
from html import escape

from report import MARKS

SIDES = [("annals", "Annals (HTTP and JSON included)"), ("duckdb", "DuckDB (in process)"), ("clickhouse", "ClickHouse (in process)")]
LEFT, RIGHT, TOP, BAR, GAP, SECTION = 330, 110, 92, 8, 9, 26
SCALE = 660
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.small { font-size: 10.5px; fill: #59636e } .title { font-size: 16px; font-weight: 600 } .section { font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 } .annals { fill: #0b7a75 } .duckdb { fill: #d9a404 } .clickhouse { fill: #b0b7bf }
.mark { stroke: #c4314b; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .annals { fill: #2fc2b8 } .duckdb { fill: #e3b341 }
  .clickhouse { fill: #6e7681 } .mark { stroke: #ff7b8f }
}
"""


def milliseconds(value):
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.3g} ms"


class Scale:
    """Milliseconds to places, logarithmic, in whole decades around all values."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + SCALE * min(1.0, max(0.0, share))

    def decades(self):
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(results, title, subtitle):
    """The SVG text of results that `report.judge` has judged."""
    values = [side["first"]["p50"] for result in results for name, side in result["sides"].items() if name in dict(SIDES)]
    values += [result["mark_ms"] for result in results if result["mark_ms"]]
    scale = Scale([value for value in values if value > 0])
    body, y, section = [], TOP, None
    for result in results:
        mark = MARKS[result["mark"]]
        if result["mark"] != section:
            section = result["mark"]
            y += SECTION
            body.append(f'<text class="section" x="12" y="{y - 7}">{escape(section)}</text>')
            body.append(f'<text class="small" x="{LEFT}" y="{y - 7}">mark {mark.number}: {escape(mark.text)}</text>')
        sides = [(name, result["sides"][name]["first"]["p50"]) for name, _ in SIDES if name in result["sides"]]
        height = BAR * len(sides)
        body.append(f'<text x="{LEFT - 8}" y="{y + height / 2 + 4}" text-anchor="end">{escape(result["question"])}</text>')
        for place, (name, value) in enumerate(sides):
            top, end = y + place * BAR, scale(value)
            bar = f'x="{LEFT}" y="{top}" width="{max(1.0, end - LEFT):.1f}" height="{BAR - 1}"'
            body.append(f'<rect class="{name}" {bar}><title>{name}: {milliseconds(value)}</title></rect>')
        ratio = f", {result['ratio']:.2g}×" if result["ratio"] else ""
        body.append(f'<text class="small" x="{LEFT + SCALE + 6}" y="{y + height / 2 + 4}">{milliseconds(sides[0][1])}{ratio}</text>')
        if result["mark_ms"]:
            at = scale(result["mark_ms"])
            line = f'x1="{at:.1f}" x2="{at:.1f}" y1="{y - 2}" y2="{y + height + 1}"'
            body.append(f'<line class="mark" {line}><title>mark: {milliseconds(result["mark_ms"])}</title></line>')
        y += height + GAP
    return page(body, scale, y, title, subtitle)


def page(body, scale, bottom, title, subtitle):
    width, height = LEFT + SCALE + RIGHT, bottom + 26
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
        f'<text class="small" x="12" y="45">{escape(subtitle)}</text>',
    ]
    x = 12
    for name, label in SIDES:
        head.append(f'<rect class="{name}" x="{x}" y="58" width="12" height="10"/><text class="small" x="{x + 17}" y="67">{label}</text>')
        x += 40 + 6 * len(label)
    head.append(f'<line class="mark" x1="{x}" x2="{x}" y1="57" y2="69"/>')
    head.append(f'<text class="small" x="{x + 8}" y="67">the mark: Annals’ bar should end before it</text>')
    for value in scale.decades():
        at = scale(value)
        head.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 4}" y2="{bottom}"/>')
        head.append(f'<text class="small" x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{milliseconds(value)}</text>')
    return "\n".join([*head, *body, "</svg>"]) + "\n"
