"""Spark as a process of its own, for `mixes.py`; asked and answering as `mix_reader.py` does, on local disk only.

Runs with the Python of target/readers-env, which has pyspark.
"""

import decimal
import json
import os
import sys

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

PERIOD = "2024-01"
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.shuffle.partitions": "2",
    # Files are a few MB here and hundreds in life: cut in proportion, so that one is read by several tasks.
    "spark.sql.files.maxPartitionBytes": "2m",
    "spark.sql.files.openCostInBytes": "0",
}


def plain(number):
    return format((decimal.Decimal(0) if number is None else number).normalize() + 0, "f")


def asked(frame, question):
    if question == "one":
        frame = frame.where(f.col("billing_period") == PERIOD)
    hashes = [f.sum(f.xxhash64(name).cast("decimal(20,0)")) for name in ("instance_id", "tags")]
    rows = frame.groupBy("billing_period").agg(f.count("*"), f.sum("cost"), f.sum("consumed_quantity"), *hashes).collect()
    return {row[0]: [row[1], plain(row[2]), plain(row[3]), str(row[4]), str(row[5])] for row in rows}


def main():
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.master("local[2]").appName("mixes")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    kept = {}
    print(json.dumps({"version": pyspark.__version__}), flush=True)
    for line in sys.stdin:
        spec = json.loads(line)
        try:
            if spec["prefix"] not in kept or not spec["keep"]:
                kept = {spec["prefix"]: spark.read.parquet(f"/{spec['prefix']}/usage_details")}
            answer = {"answer": asked(kept[spec["prefix"]], spec["question"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
