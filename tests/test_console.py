"""What a console cannot show is replaced, and ends nothing."""

import io
import sys

import pytest

from ssenet_core.cli import main
from ssenet_core.report import results


def test_a_console_without_an_infinity_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "results_lines", lambda _: ["mFN ∞", "Zoë"])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert main(["results", "results/own"]) == 0
    assert written.getvalue().decode("cp1252").split() == ["mFN", "?", "Zoë"]
