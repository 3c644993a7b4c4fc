#!/usr/bin/env python3
"""Holds the simulator against the Swagger document that it serves: schemathesis draws requests from the document, right
ones and wrong ones, and checks each answer's status, content type and body.

    python3 tests/api/check_swagger.py target/release/billing-lake

Makes an environment for itself in the target folder (`CARGO_TARGET_DIR`, or `target`) and starts the simulator on a free
port. Takes about half a minute.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
# Each asks for a form that the document has to follow.
SIMULATORS = [
    [],
    ["--marketplace-form", "object", "--balance-form", "array", "--usage-v1", "preview", "--report-accepted"],
    ["--ids-as-text", "--flags", "text", "--numbers", "text", "--last-link", "absent", "--no-data", "empty"],
    ["--flags", "bare", "--numbers", "padded", "--extra-fields", "--page-etags", "per-page", "--page-conditions"],
]
SIZE = ["--months", "3", "--rows-per-month", "60", "--page-rows", "20", "--marketplace-rows", "20", "--price-sheet-items", "20"]
KEY = "key-of-the-document's-test"


def environment():
    """The folder of an environment with what `requirements.txt` names. Its stamp is written last."""
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "api-env"
    requirements, stamp = HERE / "requirements.txt", folder / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"]
        subprocess.run([folder / "bin/python", *install, requirements], check=True)
        stamp.write_bytes(requirements.read_bytes())
    return folder


def check(folder, binary, options, examples):
    """Whether a simulator with these options answers as its document says."""
    command = [binary, "simulate", "--key", KEY, *SIZE, *options]
    simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        first = simulator.stdout.readline().strip()
        if not first.startswith("endpoint="):
            raise SystemExit(f"the simulator did not start: {first!r}")
        endpoint = first.removeprefix("endpoint=")
        print(f"== {' '.join(options) or 'as it is'}", flush=True)
        run = [
            folder / "bin/schemathesis", "--no-color", "run", f"{endpoint}/swagger/docs/v3",
            "--header", f"Authorization: bearer {KEY}", "--max-examples", str(examples), "--seed", "1",
            "--phases", "coverage,fuzzing", "--continue-on-failure", "--no-shrink", "--warnings", "off",
            # A range that ends before it begins fits the document, which cannot say so, and is refused.
            "--exclude-checks", "positive_data_acceptance",
        ]
        environ = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            environ.pop(name, None)
        return subprocess.run(run, env=environ, cwd=folder).returncode == 0
    finally:
        simulator.terminate()
        simulator.wait()
        simulator.stdout.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--examples", type=int, default=8, help="drawn requests for each path")
    arguments = parser.parse_args()
    folder, binary = environment(), arguments.binary.resolve()
    failed = [options for options in SIMULATORS if not check(folder, binary, options, arguments.examples)]
    if failed:
        sys.exit(f"the document and the simulator disagree: {failed}")
    print("the simulator answers as its document says")


if __name__ == "__main__":
    main()
