"""The tests that are about a GPU, run on one: no test may fail.

python benchmarks/gpu_tests.py
"""

from collections.abc import Sized
from pathlib import Path
from typing import Any

import pytest
from cards import card_options, said
from compare import row, verdict

STAGE, PLAIN, BOUND = "tests on a GPU", "the CPU's values", "no test fails"
ROOT = Path(__file__).parents[1]
FILES = ("on_a_gpu", "device", "gpus")


class Counted:
    """Keeps how many tests ended in which way."""

    def __init__(self) -> None:
        self.ends: dict[str, Sized] = {}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        self.ends = terminalreporter.stats


def main() -> None:
    """Run the files of tests, without the settings of the others, which may need more packages."""
    card, _ = card_options(__doc__, STAGE, PLAIN, BOUND)
    counted = Counted()
    files = [str(ROOT / f"tests/models/test_{name}.py") for name in FILES]
    how = ["-q", "-rfEs", "--noconftest", "--tb=short", "--durations=5", "-p", "no:cacheprovider"]
    failed = pytest.main([*how, "--rootdir", str(ROOT), *files], plugins=[counted])
    numbers = {name: len(counted.ends.get(name, ())) for name in ("passed", "skipped", "failed")}
    numbers["failed"] += len(counted.ends.get("error", ()))
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(card, ", ".join(f"{number} {name}" for name, number in numbers.items())),
        verdict(failed == 0),
    )


if __name__ == "__main__":
    main()
