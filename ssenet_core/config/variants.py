"""One variant's settings out of a section, and the names of variants with seeds.

In: the whole configuration. Out: plain dictionaries and names.
"""

from collections.abc import Mapping
from typing import Any

from ssenet_core.config.messages import hint, listed, shown
from ssenet_core.errors import SSENetError

SEED_MARK = "@"
LARGEST_SEED = 2**32 - 1


def resolve(config: Mapping[str, Any], section: str, name: str) -> dict[str, Any]:
    """One variant's settings: the section's defaults, with the variant's own values over them.

    Args:
        config: the whole configuration.
        section: cam, affinity or deeplab.
        name: a variant, or variant@seed for the same with another seed (`ssenet@2`).

    Raises:
        SSENetError: no such variant, or a seed that is not a whole number.
    """
    variant, mark, seed = name.partition(SEED_MARK)
    variants = config[section]["variants"]
    if variant not in variants:
        raise SSENetError(
            f"{section}.variants has no {shown(variant)}; "
            f"it has {listed(variants)}{hint(variant, variants)}"
        )
    settings = merged(config[section]["defaults"], variants[variant] or {})
    if mark:
        if not (seed.isascii() and seed.isdecimal() and int(seed[:20]) <= LARGEST_SEED):
            raise SSENetError(
                f"{section} variant {shown(name)}: expected a whole number after {SEED_MARK}, "
                f"at most {LARGEST_SEED}"
            )
        settings["seed"] = int(seed)
    return settings


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it, mapping by mapping; lists and plain values are replaced."""
    result = {
        key: merged(value, {}) if isinstance(value, Mapping) else value
        for key, value in base.items()
    }
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping):
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def without(settings: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """`settings` less some of its keys."""
    return {key: value for key, value in settings.items() if key not in keys}


def seeded(config: Mapping[str, Any], section: str, name: str, seed: int) -> str:
    """The name of a section's variant for one of `run.seeds`.

    It is plain for the seed that the variant has anyway, so that more seeds leave the first one's
    files as they are, and where `run.seeds` is [0], which leaves each variant its own.
    """
    own = resolve(config, section, name)["seed"]
    return name if config["run"]["seeds"] == [0] or seed == own else f"{name}{SEED_MARK}{seed}"


def starting_variant(weights: str | None, name: str) -> str | None:
    """The CAM variant whose network `weights` ("cam:VARIANT") names, with the seed of `name`.

    Args:
        weights: a variant's `backbone.weights`.
        name: the variant that starts from them, "ssenet" or "ssenet@1".

    Returns:
        "VARIANT" or "VARIANT@1"; None when the weights are no CAM variant's.
    """
    if not weights or not weights.startswith("cam:"):
        return None
    _, at, seed = name.partition("@")
    return weights.removeprefix("cam:") + at + seed


def used_in_training(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a variant's settings its training depends on.

    Args:
        settings: as from `resolve`.
    """
    used = without(settings, "inference", "random_walk", "prediction", "save_every")
    if "ser" in used:
        ser = used["ser"]
        idle = {"scale": "rate", "rotate": "angle"}
        unused = [key for name, key in idle.items() if name not in ser["transforms"]]
        used["ser"] = without(ser, *unused) if ser["weight"] else {"weight": 0}
    return used
