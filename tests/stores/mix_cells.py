"""What queries see while their billing period is replaced: at full speed, and exactly between two reads of one query."""

import collections
import itertools
import random
import statistics
import threading
import time

from faulty import Before, Rule
from mix_states import PERIODS, Publisher

READS = ("GET", "HEAD")
RETRIES = 20


class Cell:
    """The counts of one reader, place, layout and way of replacing."""

    def __init__(self, expected):
        self.expected = expected  # {state: {period: answer}}
        self.whole, self.clean, self.wrong, self.replaced = 0, 0, 0, 0
        self.seen, self.words, self.samples = collections.Counter(), collections.Counter(), []

    @property
    def queries(self):
        return self.whole + self.clean + self.wrong

    def kind(self, told):
        """`whole` with the states of its periods, `error`, or what is wrong with the answer."""
        if "answer" not in told:
            return "error", told.get("error") or told.get("died", "")
        found, states = told["answer"], []
        periods = set(next(iter(self.expected.values())))
        if found.keys() != periods:
            return "wrong", f"periods {sorted(found)} of {sorted(periods)}"
        for period in sorted(periods):
            fitting = [state for state, whole in self.expected.items() if whole[period] == found[period]]
            if not fitting:
                return "wrong", f"{period}: {found[period]}"
            states.append(fitting[0])
        return "whole", "".join(states)

    def judge(self, told, again, newest=None):
        """Counts an answer; after an error `again` asks anew until there is one, which must be whole, and of the newest state where it is known."""
        kind, words = self.kind(told)
        if kind == "whole":
            self.whole += 1
            self.seen[words] += 1
            return
        if kind == "error":
            self.words[short(words)] += 1
            for _ in range(RETRIES):
                kind, after = self.kind(again())
                if kind != "error":
                    break
            if kind == "whole" and (newest is None or set(after) == {newest}):
                self.clean += 1
                return
            words = f"after {words}: {kind} {after}"
        self.wrong += 1
        self.samples.append(words[:400])

    def as_json(self):
        return {"queries": self.queries, "whole": self.whole, "clean": self.clean, "wrong": self.wrong, "replacements": self.replaced,
                "states": dict(self.seen), "errors": dict(self.words.most_common(5)), "samples": self.samples[:5]}  # fmt: skip


def short(words):
    """An error without what changes from one to the next."""
    return " ".join("".join("·" if letter.isdigit() else letter for letter in word) for word in words.split("/")[0].split())[:100]


def at_full_speed(readers, name, place, publisher, cell, queries, seconds, keep=False, until_wrong=False):
    """Background threads publish A and B in turn while queries run."""
    question, stopped = publisher.question, threading.Event()
    publisher.publish("A")

    def replace(period):
        for state in itertools.cycle("BA"):
            if stopped.is_set() or publisher.complaints:
                return
            publisher.publish(state, [period])

    before = publisher.count
    reader = readers.of(name, place, publisher.layout, keep)
    anew = readers.of(name, place, publisher.layout)
    reader.ask(question)
    # A run on local disk ends a second after its last exchange: several take turns there. Spark's queries take as long.
    at_once = 3 if place.kind == "disk" and publisher.layout == "hive" and name != "Spark" else 1
    threads = [threading.Thread(target=replace, args=(period,)) for period in PERIODS[question] * at_once]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    enough = lambda: cell.queries >= queries or time.monotonic() - begin > seconds or (until_wrong and cell.wrong)
    try:
        # At least two replacements fall into it, however few the queries.
        while (not enough() or publisher.count < before + 2) and not publisher.complaints:
            cell.judge(reader.ask(question), lambda: anew.ask(question))
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    cell.replaced += publisher.count - before


def aimed(readers, name, place, publisher, cell, points, seconds):
    """One replacement a query: on a store in front of its n-th read; on disk at a moment of it, while its process stands still."""
    question, until = publisher.question, time.monotonic() + seconds
    on_disk = place.kind == "disk"
    reader = readers.of(name, place, publisher.layout, endpoint=None if on_disk else place.proxy.endpoint)
    for pair in ("AB", "AC"):
        publisher.publish("A")
        reader.ask(question)  # what is loaded once is loaded
        if on_disk:
            long = statistics.median(timed(reader, question) for _ in range(3))
            choice = moments(1, 1000, points // 2)
        else:
            place.proxy.play()
            reader.ask(question)
            choice = moments(1, len(place.proxy.asked(READS)), points // 2)
        for number, state in zip(choice, itertools.cycle(pair[::-1])):
            if on_disk:
                told = while_it_stands(reader, question, long * number / 1000, lambda: publisher.publish(state))
            else:
                told = before_a_read(reader, question, place.proxy, number, lambda _: publisher.publish(state))
            if told is None:
                publisher.publish(state)  # fewer reads than the last time; the turn of the states stays
                continue
            cell.replaced += 1
            cell.judge(told, lambda: reader.ask(question), state)
            if time.monotonic() > until and cell.queries % (points // 2) >= 3:
                break


def while_it_stands(reader, question, seconds, replace):
    reader.begin(question)
    time.sleep(seconds)
    reader.hold()
    replace()
    reader.go_on()
    return reader.answer()


def before_a_read(reader, question, proxy, number, replace):
    (rule,) = proxy.play(Rule(Before(replace), READS, first=number, times=1))
    told = reader.ask(question)
    proxy.play()
    return told if rule.played else None


def timed(reader, question):
    begin = time.monotonic()
    reader.ask(question)
    return time.monotonic() - begin


def moments(first, last, count):
    """So many numbers from first to last, spread evenly and in no order, so that those that time leaves are spread, too."""
    span = last - first + 1
    spread = [first + number * span // count for number in range(count)] if span >= count else [first + number % span for number in range(count)]
    random.Random(count).shuffle(spread)
    return spread


def learned(readers, place, plain, name):
    """{question: {state: {period: answer}}} of a reader from files that nobody changes."""
    found, reader = {}, readers.of(name, place, "plain")
    for question, periods in PERIODS.items():
        publisher = Publisher("", place, "plain", None, question, plain)
        for state in "ABC":
            publisher.publish(state)
            found.setdefault(question, {})[state] = reader.ask(question).get("answer")
    return found
