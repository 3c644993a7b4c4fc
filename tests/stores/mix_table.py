"""The counts of `mixes.py` as a table in Markdown.

    mix_table.py FILE…

Adds up what several runs wrote with `--json`.
"""

import collections
import json
import pathlib
import sys

PLACES = {"disk": "local disk", "s3": "S3", "az": "Azure"}
LAYOUTS = {"hive": "hive", "delta": "Delta", "plain": "no salt, one name"}
WAYS = {"fresh": "read anew", "kept": "kept open", "aimed": "aimed", "several": "several periods"}
READERS = ("DuckDB", "Polars", "PyArrow", "Spark")
KEYS = ("layout", "place", "reader", "way")
COUNTS = ("whole", "clean", "wrong", "replacements")


def markdown(runs):
    """One row a layout, place and reader; a cell is `whole / clean failures / wrong`."""
    counts, versions, not_run = collections.defaultdict(collections.Counter), {}, set()
    for run in runs:
        versions |= run["versions"]
        for cell in run["cells"]:
            key = tuple(cell[name] for name in KEYS)
            if "not_run" in cell:
                not_run.add(key)
            else:
                counts[key].update({name: cell[name] for name in COUNTS})
    names = ", ".join(f"{name} {versions[name]}" for name in READERS if name in versions)
    total = sum(sum(cell[name] for name in COUNTS[:3]) for cell in counts.values())
    replaced = sum(cell["replacements"] for cell in counts.values())
    lines = [f"{names}; {total:,} queries over {replaced:,} replacements; each cell: whole / clean failures / wrong", ""]
    lines += [f"| layout | place | reader | {' | '.join(WAYS.values())} |", "|---|---|---|" + "---|" * len(WAYS)]
    rows = {key[:3] for key in [*counts, *not_run]}
    order = (list(LAYOUTS), list(PLACES), READERS)
    for row in sorted(rows, key=lambda row: [group.index(word) for word, group in zip(row, order)]):
        layout, place, reader = row
        cells = [told(counts.get((*row, way)), (*row, way) in not_run) for way in WAYS]
        lines.append(f"| {LAYOUTS[layout]} | {PLACES[place]} | {reader} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def told(counts, not_run):
    if counts is None:
        return "not run" if not_run else ""
    wrong = f"**{counts['wrong']}**" if counts["wrong"] else "0"
    return f"{counts['whole']} / {counts['clean']} / {wrong}"


if __name__ == "__main__":
    print(markdown([json.loads(pathlib.Path(name).read_text()) for name in sys.argv[1:]] or sys.exit(__doc__)), end="")
