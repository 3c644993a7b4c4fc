"""The chart of a comparison, as SVG: how much JSON each gets into Parquet with one second of CPU."""

from xml.sax.saxutils import escape

from peers import MAIN, peer
from results import Comparison, Result

WIDTH, LEFT, RIGHT = 760, 150, 90
BAR, STEP, TOP, GAP, BOTTOM = 16, 22, 64, 44, 30

STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .kind { font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .page { fill: #ffffff }
  .ours { fill: #0969da }
  .theirs { fill: #9198a1 }
  .line { stroke: #9198a1; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .page { fill: #0d1117 }
    .ours { fill: #4493f8 }
    .theirs { fill: #656c76 }
    .line { stroke: #656c76 }
  }
"""
"""Text and page change together with the reader's scheme, so that it can be read on a page of the other one too."""


def speed(result: Result, kind_bytes: float, kind_rows: int) -> float:
    """Megabytes of JSON a CPU second; a share of the rows has that share of the bytes."""
    return kind_bytes * result.rows / kind_rows / result.cpu / 1e6 if result.cpu > 0 else 0.0


def draw(comparison: Comparison, codec: str, codec_name: str) -> str:
    """The whole file."""
    rows: list[tuple[str, list[tuple[str, float | None]]]] = []
    for kind in comparison.kinds:
        found = {result.peer: result for result in kind.results if result.codec == codec}
        bars = [
            (key, None if found[key].failed else speed(found[key], kind.line_bytes, kind.rows))
            for key in MAIN
            if key in found
        ]
        rows.append((kind.name, bars))
    most = max((value or 0.0 for _, bars in rows for _, value in bars), default=0.0) or 1.0
    height = TOP + sum(len(bars) * STEP + GAP for _, bars in rows) + BOTTOM - GAP + 20
    span = WIDTH - LEFT - RIGHT
    words = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>JSON to Parquet ({codec_name}), megabytes a CPU second</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="12" y="24">Billing JSON to Parquet ({codec_name}): MB of JSON a CPU second</text>',
        '<text class="small" x="12" y="43">longer is better; one thread, start of the interpreter taken off</text>',
    ]
    y = TOP
    for name, bars in rows:
        words.append(f'<text class="kind" x="12" y="{y + 9}">{escape(name)} rows</text>')
        y += 18
        words.append(f'<line class="line" x1="{LEFT}" y1="{y}" x2="{LEFT}" y2="{y + len(bars) * STEP}"/>')
        for key, value in bars:
            middle = y + STEP / 2
            words.append(f'<text x="{LEFT - 8}" y="{middle + 4.5}" text-anchor="end">{escape(peer(key).title)}</text>')
            if value is None:
                words.append(f'<text class="small" x="{LEFT + 6}" y="{middle + 4.5}">failed</text>')
            else:
                length = max(1.0, span * value / most)
                colour = "ours" if key == MAIN[0] else "theirs"
                size = f'width="{length:.1f}" height="{BAR}"'
                words.append(f'<rect class="{colour}" x="{LEFT}" y="{middle - BAR / 2}" {size} rx="2"/>')
                words.append(f'<text x="{LEFT + length + 6:.1f}" y="{middle + 4.5}">{value:,.0f}</text>')
            y += STEP
        y += GAP - 18
    about = f"{comparison.rows:,} made-up rows a kind, medians of {comparison.runs} runs"
    about += f" · {comparison.machine['CPU']} · {comparison.date}"
    words.append(f'<text class="small" x="12" y="{height - 10}">{escape(about)}</text>')
    return "\n".join([*words, "</svg>", ""])
