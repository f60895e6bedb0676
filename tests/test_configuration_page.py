"""docs/configuration.md and config.schema.json are as the models have it, and have every key."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKER = runpy.run_path(str(ROOT / "docs" / "make_configuration.py"))
PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]


def paths(value: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """The paths of all keys of a configuration; an item of a list has the key `[]`."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, key)
            yield from paths(below, *above, key)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, *above, "[]")


def described_as(path: tuple[str, ...]) -> str:
    """The row that describes a key: a variant's are those of its section's defaults."""
    match path:
        case (section, "variants", _, *below):
            path = (section, "defaults", *below)
        case ("download", "weights", _, *below) if below:
            path = ("download", "weights", "NAME", *below)
        case ("download", "weights", _):
            path = ("download", "weights")
    return ".".join(path).replace(".[]", "[]")


def test_page_and_schema_are_up_to_date() -> None:
    for path, text in MAKER["current_files"]().items():
        assert path.read_text() == text, f"{path}: run `make docs`"


@pytest.mark.parametrize("file", ["config.yaml", "recipes/voc2012.yaml"])
def test_every_key_has_a_row(file: str) -> None:
    rows = {row[0].strip("`") for row in ROWS}
    sections = set(MAKER["editors_schema"]()["properties"])
    keys = {described_as(path) for path in paths(yaml.safe_load((ROOT / file).read_text()))}
    assert keys - sections <= rows
    assert all(f"\n## {section}\n" in PAGE for section in sections)


def test_every_row_says_what_the_key_is_and_what_it_may_hold() -> None:
    assert len(ROWS) > 100
    assert [row[0] for row in ROWS if not (row[1].strip() and row[2].strip())] == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("compute.gpus", "`auto`, `0`, `1`"),
        ("paper.published", "`true`, `false`"),
        ("affinity.defaults.random_walk.background.power", "`null` or number > 0"),
        ("dataset.shapes.classes", "whole number, 1 to 6"),
        ("run.gallery", "whole number ≥ 0"),
        ("cam.defaults.backbone.dropout", "list of 2: number ≥ 0, < 1"),
        ("dataset.tags", "list of 1 or more, none twice: `csv`, `xml`, `masks`"),
        ("dataset.classes", "`null` or text or list of 1 to 254, none twice: text"),
        ("run.chains[].cam", "variant or variant@seed"),
        ("deeplab.defaults.prediction.crf", "`null` or mapping"),
    ],
)
def test_limits_in_words(path: str, words: str) -> None:
    assert [row[2] for row in ROWS if row[0] == f"`{path}`"] == [words]


def test_what_an_editor_is_told_holds_for_overlays_too() -> None:
    text = (ROOT / "config.schema.json").read_text()
    assert '"required"' not in text
    assert '"additionalProperties": false' in text


def test_a_bar_does_not_end_a_cell() -> None:
    schema = {
        "properties": {
            "a": {
                "description": "A.",
                "properties": {"b": {"description": "x | y", "type": "string"}},
            }
        }
    }
    assert r"| `a.b` | x \| y | text | `z` |" in MAKER["page"](schema, {"a": {"b": "z"}})
