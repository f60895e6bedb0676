"""The tests that are about a GPU, run on one: no test may fail."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cards import Card, said
from compare import row, verdict

STAGE, PLAIN, BOUND = "tests on a GPU", "the CPU's values", "no test fails"
ROOT = Path(__file__).parents[1]
FILES = ("on_a_gpu", "device", "gpus")


class Watched:
    """Prints why a test failed as soon as it has, counts the ends, and stops when time is up."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.ends: Counter[str] = Counter()
        self.collected = 0

    def pytest_collection_finish(self, session: Any) -> None:
        self.collected = len(session.items)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            print(f"\n{report.nodeid}, {report.when}\n{report.longreprtext}", flush=True)
        if report.when == "call" or not report.passed:
            self.ends[report.outcome] += 1

    def pytest_runtest_protocol(self, item: Any) -> None:
        if self.card.left <= 0:
            item.session.shouldstop = "no time is left"

    def counts(self) -> str:
        """How many tests passed, were skipped and failed, and how many did not run."""
        words = [f"{self.ends[end]} {end}" for end in ("passed", "skipped", "failed")]
        left_out = self.collected - self.ends.total()
        return ", ".join(words) + f", {left_out} not run: no time was left" * (left_out > 0)


def measure(card: Card) -> None:
    """Run the files of tests, without the settings of the others, which may need more packages."""
    watched = Watched(card)
    # On the CPU the first of them takes a minute, and `pytest` runs it anyway.
    files = [str(ROOT / f"tests/models/test_{name}.py") for name in FILES[card.small :]]
    how = ["-q", "-s", "--noconftest", "--tb=short", "--no-summary", "-p", "no:cacheprovider"]
    pytest.main([*how, "--rootdir", str(ROOT), *files], plugins=[watched])
    reached = verdict(watched.ends["failed"] == 0 and watched.ends["passed"] > 0)
    row(STAGE, PLAIN, BOUND, said(card, watched.counts()), reached)
