"""What a comparison is made with: the machine, the versions, and whether Spark can take part."""

import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import shutil
import subprocess


def first_line(*command: str) -> str:
    """What a command says first, or nothing when there is no such command."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, text=True)
        return done.stdout.splitlines()[0].strip() if done.stdout.strip() else ""
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine() -> dict[str, str]:
    """The machine, as the kernel names it."""
    about = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in about if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"Linux {platform.release().split('-')[0]}",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions(program: str, spark: bool) -> dict[str, str]:
    """Of everything that takes part."""
    commit = first_line("git", "describe", "--always", "--dirty", "--exclude", "*")
    found = {
        "billing-lake": first_line(program, "--version").removeprefix("billing-lake ")
        + (f" ({commit})" if commit else "")
    }
    for name, package in (
        ("DuckDB", "duckdb"),
        ("Polars", "polars"),
        ("PyArrow", "pyarrow"),
        ("chDB", "chdb"),
        ("pandas", "pandas"),
        ("NumPy", "numpy"),
        *([("Spark", "pyspark")] if spark else []),
    ):
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    found |= {"Python": platform.python_version(), "Rust": first_line("rustc", "--version").removeprefix("rustc ")}
    if spark:
        found["Java"] = first_line("java", "-version").removeprefix("openjdk version ").split(" ")[0].strip(chr(34))
    return found


def why_no_spark(wanted: bool) -> str:
    """Empty when Spark can take part."""
    if not wanted:
        return "`--spark` was not given"
    if not shutil.which("java"):
        return "java is missing"
    return "" if importlib.util.find_spec("pyspark") else "pyspark could not be installed"
