"""What reading the Parquet files costs Spark: one session on two threads of this machine, asked by `measure.ask`.

Wall seconds, medians; each file is read once before, so that the compiler of Java has seen the query.
"""

import json
import os
import statistics
import sys
import time
from typing import Any

ROUNDS = 3


def main() -> None:
    """Answers for each file by its key: seconds, or why Spark refused it."""
    asked = json.load(sys.stdin)
    answer = os.dup(1)
    os.dup2(2, 1)  # Spark prints where it likes
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "2g").config("spark.sql.session.timeZone", "UTC")
    session = (
        builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    answers: dict[str, dict[str, Any]] = {}
    for entry in asked["files"]:
        key = entry["key"]
        try:
            frame = session.read.parquet(entry["path"])
            found = {name.casefold() for name in frame.columns}
            plain = [column for column in asked["contract"] if not column["type"].startswith("DECIMAL")]
            names = [c["column"] if c["column"].casefold() in found else c["field"] for c in plain]
            words = ["count(*) AS rows"] + [f"bit_xor(xxhash64(`{name}`)) AS `{name}`" for name in names]
            seconds = []
            for _ in range(1 + ROUNDS):
                begin = time.monotonic()
                rows = frame.selectExpr(*words).collect()[0]["rows"]
                seconds.append(time.monotonic() - begin)
            assert rows == entry["rows"], f"{rows} rows of {entry['rows']}"
            answers[key] = {"seconds": statistics.median(seconds[1:])}
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the answer)
            answers[key] = {"refused": (str(error).strip().splitlines() or [type(error).__name__])[0][:160]}
    session.stop()
    os.write(answer, json.dumps(answers).encode())


if __name__ == "__main__":
    main()
