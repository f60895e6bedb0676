"""Texts that stand for other values: `--config` hands over texts, and YAML takes 1e-4 for one.

In: the merged configuration and the schema. Out: the same, numbers, truth values and null in it
where the schema wants them.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.config.limits import is_too_large, unfit_values
from ssenet_core.config.schema import read_schema, validator


def read_text_values(config: dict[str, Any], schema_path: str | Path) -> None:
    """Read texts as YAML, in place, where the schema wants no text: `--config` hands over texts.

    "null" is null wherever the schema allows it, though a text may stand there, too.
    """
    if is_too_large(config) or any(unfit_values(config)):
        return  # `validate` says so
    checker = validator(read_schema(schema_path))
    for error in list(checker.iter_errors(config)):
        if isinstance(error.instance, str) and error.absolute_path:
            place, last = _place(config, error.absolute_path)
            if place[last] is error.instance:  # not so where the fault is in a section's keys
                place[last] = _read_text(error.instance)
    nulls = list(_paths_of("null", config))
    if not nulls:
        return  # as a rule; looking at everything again takes time, which every job has to wait
    for path in nulls:
        place, last = _place(config, path)
        place[last] = None
    refused = {tuple(error.absolute_path) for error in checker.iter_errors(config)} & set(nulls)
    for path in refused:
        place, last = _place(config, path)
        place[last] = "null"


def _place(config: Any, path: Sequence[Any]) -> tuple[Any, Any]:
    """The section or list that a path ends in, and the last key or number."""
    *parents, last = path
    for key in parents:
        config = config[key]
    return config, last


def _paths_of(text: str, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a text stands as a value."""
    if value == text and path:
        yield path
    inside = value.items() if isinstance(value, Mapping) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else inside:
        yield from _paths_of(text, inner, (*path, key))


def _read_text(text: str) -> Any:
    """A number, a truth value or null from a text; the text itself where it is none of them."""
    # PyYAML takes what looks like a date for one, and goes down into brackets without an end.
    with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError):
        value = yaml.safe_load(text)
        if isinstance(value, int | float | None):
            return value
    # YAML 1.1 wants a point in 1.0e-4.
    return float(text) if re.fullmatch(r"[+-]?\d{1,20}[eE][+-]?\d{1,3}", text) else text
