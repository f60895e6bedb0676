"""Configuration: checked against the closed schema, and one variant's settings out of a section.

In: the merged configuration of a run. Out: plain dictionaries. `SSENetError` lists every fault with
the key's path and what is allowed there.
"""

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import (
    backbone_faults,
    described,
    keys_without_effect,
    output_stride,
)

SEED_MARK = "@"


def validate(config: Mapping[str, Any], schema_path: str | Path) -> None:
    """Check a configuration against the schema and for names that refer to nothing.

    Raises:
        SSENetError: one line a fault, all of them.
    """
    schema = yaml.safe_load(Path(schema_path).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    errors: list[Any] = sorted(
        validator.iter_errors(config), key=lambda error: list(map(str, error.path))
    )
    faults = [line for error in errors for line in _describe(error)]
    if not faults:
        faults = [*_contradictions(config), *_dangling_names(config)]
    if faults:
        raise SSENetError("the configuration has faults:\n" + "\n".join(f"  {x}" for x in faults))


def read_text_values(config: dict[str, Any], schema_path: str | Path) -> None:
    """Read texts as YAML, in place, where the schema wants no text: `--config` hands over texts."""
    schema = yaml.safe_load(Path(schema_path).read_text())
    for error in list(jsonschema.Draft202012Validator(schema).iter_errors(config)):
        if isinstance(error.instance, str) and error.absolute_path:
            *parents, last = error.absolute_path
            place: Any = config
            for key in parents:
                place = place[key]
            with contextlib.suppress(yaml.YAMLError):
                value = yaml.safe_load(error.instance)
                place[last] = value if isinstance(value, int | float | None) else error.instance


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
            f"{section}.variants has no {variant!r}; "
            f"it has {_listed(variants)}{_hint(variant, variants)}"
        )
    settings = merged(config[section]["defaults"], variants[variant] or {})
    if mark:
        if not (seed.isascii() and seed.isdecimal()):
            raise SSENetError(
                f"{section} variant {name!r}: expected a whole number after {SEED_MARK}"
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


def seeded(name: str, seed: int, seeds: list[int]) -> str:
    """A variant's name for one of a run's seeds: plain where the run has none but its own."""
    return name if seeds == [0] else f"{name}{SEED_MARK}{seed}"


def gpus_a_job(compute: Mapping[str, Any]) -> int:
    """GPUs that a job asks for: `compute.gpus`, or 1 where this machine has one to be used."""
    if compute["gpus"] != "auto":
        return int(compute["gpus"])
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return int(Path("/dev/nvidiactl").exists() and not hidden)


def _describe(error: Any) -> Iterator[str]:
    """What is wrong at one place, and what is allowed there."""
    path = _path(error)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known), key=str):
            where = f"{path}.{key}" if path else str(key)
            yield f"{where}: unknown key; allowed: {_listed(known)}{_hint(str(key), known)}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        # jsonschema raises one error a missing key and names it in the message alone.
        key = next(key for key in missing if error.message.startswith(repr(key)))
        yield f"{f'{path}.{key}' if path else key}: missing"
    else:
        yield f"{path}: found {error.instance!r}, allowed: {_allowed(error.schema)}"


def _path(error: Any) -> str:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _allowed(schema: Mapping[str, Any]) -> str:
    """A schema's demands on one value, in words."""
    if "enum" in schema:
        return " or ".join(map(_shown, schema["enum"]))
    if "const" in schema:
        return _shown(schema["const"])
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
    words += [f"{word} {schema[key]}" for key, word in limits.items() if key in schema]
    if schema.get("uniqueItems"):
        words.append("no item twice")
    return ", ".join(words)


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Values that are each allowed and do not go together."""
    dataset = config["dataset"]
    if dataset["source"] == "voc" and dataset.get("root") is None:
        yield "dataset.root: found None, allowed: the dataset's folder (source is voc)"
    alphas = config["evaluation"]["alphas"]
    if alphas["start"] >= alphas["stop"]:
        yield f"evaluation.alphas: start {alphas['start']} must be below stop {alphas['stop']}"
    measured = config["evaluation"]["equivariance"]
    if not (measured["scales"] or measured["flip"] or measured["angles"]):
        yield "evaluation.equivariance: one of scales, flip and angles is needed"
    for section in ("cam", "affinity", "deeplab"):
        for variant in config[section]["variants"]:
            for fault in _variant_faults(config, section, variant):
                yield f"{section} variant {variant}: {fault}"


def _variant_faults(config: Mapping[str, Any], section: str, variant: str) -> Iterator[str]:
    """Values of one variant that do not go together."""
    settings = resolve(config, section, variant)
    for key in ("resize", "scale"):
        if key in settings and settings[key][0] > settings[key][1]:
            yield f"{key} {settings[key]}: the first must not be above the second"
    own = (config[section]["variants"][variant] or {}).get("backbone", {})
    yield from _backbone_faults(settings["backbone"], own)
    yield from _weights_faults(config, section, settings)
    stride = output_stride(settings["backbone"])
    if section == "affinity" and settings["crop"] % stride:
        yield f"crop {settings['crop']} must be a multiple of backbone.output_stride, {stride}"
    background = settings.get("random_walk", {}).get("background")
    if background and (background["alpha"] is None) == (background["power"] is None):
        yield "random_walk.background: one of alpha and power must be null"


def _backbone_faults(backbone: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """What a variant asks of its backbone in vain.

    Args:
        backbone: the variant's, resolved.
        own: what the variant itself says of it. Only there is a key without effect a fault: the
            defaults have those of every architecture.
    """
    yield from backbone_faults(backbone)
    for key in keys_without_effect(backbone["name"]):
        if key in own:
            yield f"backbone.{key}: {backbone['name']} takes no notice of it"


def _weights_faults(
    config: Mapping[str, Any], section: str, settings: Mapping[str, Any]
) -> Iterator[str]:
    """First weights that cannot be had."""
    source = settings["backbone"]["weights"]
    if section == "cam" and source == "cam":
        yield "backbone.weights: found 'cam', allowed: null, cam:VARIANT or a file"
    seen: list[str] = []
    while (start := starting_variant(source, "")) is not None:
        if start in seen:
            yield f"backbone.weights: the variants {', '.join(seen)} start from each other"
            return
        seen.append(start)
        try:
            backbone = resolve(config, "cam", start)["backbone"]
        except SSENetError as error:
            yield f"backbone.weights: {error}"
            return
        if len(seen) == 1 and described(backbone) != described(settings["backbone"]):
            yield _foreign_weights(settings["backbone"], start, backbone)
        source = backbone["weights"]


def _foreign_weights(taker: Mapping[str, Any], cam: str, giver: Mapping[str, Any]) -> str:
    return (
        f"backbone.weights: {described(taker)} cannot take those of cam variant {cam}, "
        f"{described(giver)}"
    )


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


def _dangling_names(config: Mapping[str, Any]) -> Iterator[str]:
    """Variants that the run names and no section has."""
    named = [("run.cams", "cam", name) for name in config["run"]["cams"]]
    for index, chain in enumerate(config["run"]["chains"]):
        named += [(f"run.chains[{index}].{key}", key, chain[key]) for key in chain]
    faults = []
    for where, section, name in named:
        try:
            resolve(config, section, name)
        except SSENetError as error:
            faults.append(f"{where}: {error}")
    yield from faults or _unlike_chains(config)


def _unlike_chains(config: Mapping[str, Any]) -> Iterator[str]:
    """Chains in which a network starts from the weights of a CAM network that is unlike it."""
    for index, chain in enumerate(config["run"]["chains"]):
        giver = resolve(config, "cam", chain["cam"])["backbone"]
        for section in ("affinity", "deeplab"):
            taker = resolve(config, section, chain[section])["backbone"]
            if taker["weights"] == "cam" and described(taker) != described(giver):
                fault = _foreign_weights(taker, chain["cam"], giver)
                yield f"run.chains[{index}].{section}: {fault}"


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))


def _hint(name: str, known: Any) -> str:
    nearest = difflib.get_close_matches(name, list(map(str, known)), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
