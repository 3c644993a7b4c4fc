"""The counts of `mixes.py` as a table in Markdown."""

PLACES = {"disk": "local disk", "s3": "S3", "az": "Azure"}
LAYOUTS = {"hive": "hive", "delta": "Delta", "plain": "no salt, one name"}
WAYS = {"fresh": "read anew", "kept": "kept open", "aimed": "aimed", "several": "several periods"}


def markdown(found, left_out, versions):
    """One row a layout, place and reader; a cell is `whole / clean failures / wrong`."""
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [f"{names}; each cell: whole / clean failures / wrong", ""]
    lines += [f"| layout | place | reader | {' | '.join(WAYS.values())} |", "|---|---|---|" + "---|" * len(WAYS)]
    rows = dict.fromkeys(cell[:3] for cell in [*found, *left_out])
    order = [list(LAYOUTS), list(PLACES), ["DuckDB", "Polars", "PyArrow", "Spark"]]
    for row in sorted(rows, key=lambda row: [group.index(word) for word, group in zip(row, order)]):
        layout, place, reader = row
        cells = [told(found.get((*row, way)), left_out.get((*row, way))) for way in WAYS]
        lines.append(f"| {LAYOUTS[layout]} | {PLACES[place]} | {reader} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def told(counts, why):
    if counts is None:
        return "not run" if why else ""
    wrong = f"**{counts.wrong}**" if counts.wrong else "0"
    return f"{counts.whole} / {counts.clean} / {wrong}"
