"""docs/configuration.md is what the schema and the defaults make it, and has every key."""

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


def test_the_page_is_up_to_date() -> None:
    assert MAKER["current_page"]() == PAGE, "run `make docs`"


@pytest.mark.parametrize("file", ["config.yaml", "recipes/voc2012.yaml"])
def test_every_key_has_a_row(file: str) -> None:
    rows = {row[0].strip("`") for row in ROWS}
    sections = set(yaml.safe_load((ROOT / "config.schema.yaml").read_text())["properties"])
    keys = {described_as(path) for path in paths(yaml.safe_load((ROOT / file).read_text()))}
    assert keys - sections <= rows
    assert all(f"\n## {section}\n" in PAGE for section in sections)


def test_every_row_says_what_the_key_is_and_what_it_may_hold() -> None:
    assert len(ROWS) > 100
    assert [row[0] for row in ROWS if not (row[1].strip() and row[2].strip())] == []


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"enum": [None, "a", 1]}, "`null`, `a`, `1`"),
        ({"type": "boolean"}, "`true`, `false`"),
        ({"type": ["number", "null"], "exclusiveMinimum": 0}, "`null` or number > 0"),
        ({"type": "integer", "minimum": 1, "maximum": 20}, "whole number, 1 to 20"),
        (
            {"type": "array", "minItems": 2, "maxItems": 2, "items": {"$ref": "#/$defs/share"}},
            "list of 2: number, 0 to 1",
        ),
        (
            {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": ["a", "b"]}},
            "list of 1 or more, none twice: `a`, `b`",
        ),
    ],
)
def test_limits_in_words(described: dict[str, Any], words: str) -> None:
    schema = {"$defs": {"share": {"type": "number", "minimum": 0, "maximum": 1}}}
    assert MAKER["allowed"](described, schema) == words


def test_a_key_beside_a_reference_wins() -> None:
    schema = {"$defs": {"a": {"$ref": "#/$defs/b", "type": "string"}, "b": {"description": "b"}}}
    found = MAKER["resolved"]({"$ref": "#/$defs/a", "description": "own"}, schema)
    assert found == {"type": "string", "description": "own"}


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
