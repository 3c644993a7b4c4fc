"""Runs what README.md shows of readers, word for word, in the lake that `demo` leaves: check_readme.py BIN"""

import decimal
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import checks
from checks import check, equal

README = pathlib.Path(__file__).parent.parent.parent / "README.md"
READERS = ("DuckDB", "Polars", "Spark", "pandas")
# Billing period, rows and cost, whatever is drawn around them.
LINE = re.compile(r"(\d{4}-\d{2})[^\d\n]+([\d,]+)[^\d\n]+(\d+\.\d+)")


def lines_of(text):
    """(billing period, rows, cost) of each line that has them, sorted."""
    found = LINE.findall(text)
    return sorted((period, int(rows.replace(",", "")), decimal.Decimal(cost)) for period, rows, cost in found)


def blocks(section, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_LAKE_")}
    environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    readme = README.read_text("utf-8")
    section = readme.split("\n## Read the lake\n")[1].split("\n## ")[0]
    shown = [lines_of(text) for text in blocks(section, "text")]
    snippets = {text.splitlines()[0].removeprefix("# "): text for text in blocks(section, "python")}
    equal("README: readers", set(snippets), set(READERS))
    with tempfile.TemporaryDirectory(prefix="billing-lake-readme-") as folder:
        run = lambda *command: subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        demo = run(binary, "demo")
        check("demo ends well", demo.returncode == 0, demo.stderr[-1000:])
        held = json.loads(run(binary, "status", "--dest", "billing-lake-demo", "--format", "json").stdout)
        held = sorted((file["billing_period"], file["rows"], decimal.Decimal(file["cost"])) for file in held)
        equal("demo: billing periods", len(held), 3)
        for reader, snippet in snippets.items():
            equal(f"README, {reader}: lines of code", len(snippet.splitlines()) - 1, 2)
            done = run(sys.executable, "-c", snippet)
            check(f"README, {reader}: ends well", done.returncode == 0, done.stderr[-1000:])
            equal(f"README, {reader}: prints the lake", lines_of(done.stdout), held)
        equal("README: outputs", len(shown), 1)
        # The demo's billing periods are the newest ones of the day; the same periods have the same rows.
        if [line[0] for line in shown[0]] == [line[0] for line in held]:
            equal("README: the output", shown[0], held)
        told = sorted(line for line in lines_of(readme.split("3. The API restates")[1].split("```")[0]))
        equal("README: the demo's lake is what readers print", shown[0], told)
    checks.conclude()


if __name__ == "__main__":
    main()
