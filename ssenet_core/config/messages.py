"""Faults of a configuration in words: the key's path, what was found, what is allowed.

In: an error of jsonschema, or names and values. Out: text that can be printed and is not too long.
"""

import difflib
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

LONGEST_TEXT = 4000  # characters; longer paths cannot be opened
NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_SHOWN = 80  # characters of a value in a message


def describe(error: Any) -> Iterator[str]:
    """What is wrong at one place, and what is allowed there."""
    path = _path(error) or "the configuration"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known), key=str):
            allowed = f"{listed(known)}{hint(str(key), known)}"
            yield f"{below(_path(error), key)}: unknown key; allowed: {allowed}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        # jsonschema raises one error a missing key and names it in the message alone.
        key = next(key for key in missing if error.message.startswith(repr(key)))
        yield f"{below(_path(error), key)}: missing"
    else:
        yield f"{path}: found {shown(error.instance)}, allowed: {_allowed(error.schema)}"


def _path(error: Any) -> str:
    return reduce(below, error.absolute_path, "")


def _allowed(schema: Mapping[str, Any]) -> str:
    """A schema's demands on one value, in words."""
    if "enum" in schema:
        return " or ".join(map(_plain, schema["enum"]))
    if "const" in schema:
        return _plain(schema["const"])
    kinds = {"object": "section", "array": "list", "string": "text", "integer": "whole number"}
    found = schema.get("type", "value")
    names = [found] if isinstance(found, str) else found
    words = [
        " or ".join("null" if name == "null" else f"a {kinds.get(name, name)}" for name in names)
    ]
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "minItems": "items at least",
        "maxItems": "items at most",
        "minLength": "characters at least",
        "pattern": "of the form",
    }
    if schema.get("pattern") == NAME:
        return "letters, digits and . _ - alone, the first a letter or a digit"
    words += [f"{word} {schema[key]}" for key, word in limits.items() if key in schema]
    if schema.get("uniqueItems"):
        words.append("no item twice")
    return ", ".join(words)


def _plain(value: Any) -> str:
    return "null" if value is None else str(value)


def below(path: str, key: Any) -> str:
    """The path of what a section or list has under a key: "run.seeds" and 0 are "run.seeds[0]"."""
    name = key if isinstance(key, str) and is_fit(key) else shown(key)
    return f"{path}[{shown(key)}]" if isinstance(key, int) else f"{path}.{name}" if path else name


def shown(value: Any) -> str:
    """A value for a message, its end left out where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than some thousand digits
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def is_fit(text: str) -> bool:
    """Whether a text can be part of a path and of a message."""
    return text.isprintable() and len(text) <= LONGEST_TEXT


def listed(names: Any) -> str:
    """Names with commas between."""
    return ", ".join(map(str, names))


def hint(name: str, known: Any) -> str:
    """The name that was perhaps meant, to be put after a message."""
    nearest = difflib.get_close_matches(name, list(map(str, known)), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
