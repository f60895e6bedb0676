"""A folder for hostile files, and the table of what became of them when the tests are done."""

from pathlib import Path

import pytest
from outcomes import COUNTS, EXAMPLES, OUTCOMES


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where hostile files are written, again and again."""
    return tmp_path_factory.mktemp("hostile")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of outcomes, where more than the suite's examples were asked for."""
    if EXAMPLES <= 40:
        return
    terminalreporter.section("hostile input")
    terminalreporter.line(f"{'input':40} {'tried':>8} " + " ".join(f"{x:>14}" for x in OUTCOMES))
    for kind in sorted({kind for kind, _ in COUNTS}):
        counts = [COUNTS[kind, outcome] for outcome in OUTCOMES]
        terminalreporter.line(f"{kind:40} {sum(counts):8} " + " ".join(f"{n:14}" for n in counts))
