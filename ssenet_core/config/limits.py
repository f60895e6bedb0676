"""What no schema says about a configuration: how large it may be, and which texts and numbers are.

In: a configuration as YAML gave it. Out: faults in words. YAML's references let a few lines stand
for billions of values, so sizes are judged before anything looks at the values.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ssenet_core.config.messages import below, is_fit, shown

MOST_VALUES = 10_000  # a configuration has some hundreds
DEEPEST = 30  # levels; ours has seven
LARGEST_NUMBER = 10**15  # whole up to there as floating-point numbers, too


def is_too_large(config: Any) -> bool:
    """Whether a configuration has more values or levels than any that makes sense."""
    level, count = [config], 0
    for _ in range(DEEPEST):
        following: list[Any] = []
        for value in level:
            inside = _inside(value)
            count += len(inside)
            if count > MOST_VALUES:
                return True
            following += inside.values()
        level = following
    return bool(level)


def unfit_values(value: Any, path: str = "") -> Iterator[str]:
    """Texts and numbers that YAML can write and nothing here can use, of a config of fit size."""
    if isinstance(value, str) and not is_fit(value):
        yield f"{path}: found {shown(value)}, allowed: text that can be printed, not too long"
    elif not _is_usable(value):
        yield f"{path}: found {shown(value)}, allowed: finite numbers below {LARGEST_NUMBER:.0e}"
    for key, inner in _inside(value).items():
        if not (is_fit(key) if isinstance(key, str) else _is_usable(key)):
            yield f"{below(path, key)}: a key must be text that can be printed, not too long"
        yield from unfit_values(inner, below(path, key))


def missing_keys(
    values: Any, rule: Mapping[str, Any], kinds: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Keys of a schema's section that a section which must have them all has not.

    Args:
        values: the section.
        rule: the schema's, of the section.
        kinds: `$defs` of the schema, which rules refer to.
        path: where the section lies.
    """
    if "$ref" in rule:
        rule = kinds[rule["$ref"].removeprefix("#/$defs/")]
    for key, inner in rule.get("properties", {}).items() if isinstance(values, Mapping) else ():
        if key in values:
            yield from missing_keys(values[key], inner, kinds, below(path, key))
        else:
            yield f"{below(path, key)}: missing"


def _inside(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}


def _is_usable(value: Any) -> bool:
    """Whether a value, if it is a number, can be computed with."""
    if not isinstance(value, int | float):
        return True
    return -LARGEST_NUMBER <= value <= LARGEST_NUMBER and not math.isnan(value)
