"""Configuration: checked against the closed schema, and one variant's settings out of a section.

In: the merged configuration of a run. Out: plain dictionaries. `SSENetError` lists every fault with
the key's path and what is allowed there.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ssenet_core.config_limits import (
    DEEPEST,
    MOST_VALUES,
    is_too_large,
    missing_keys,
    unfit_values,
)
from ssenet_core.config_messages import describe, hint, listed, shown
from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import (
    backbone_faults,
    described,
    keys_without_effect,
    output_stride,
)

SEED_MARK = "@"
LARGEST_SEED = 2**32 - 1
STAGES = ("cam", "affinity", "deeplab")  # sections with variants
# To JSON Schema 3.0 is a whole number; to what is called with it, it is none.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


def validate(config: Mapping[str, Any], schema_path: str | Path) -> None:
    """Check a configuration against the schema and for names that refer to nothing.

    Raises:
        SSENetError: one line a fault, all of them.
    """
    if is_too_large(config):
        raise SSENetError(
            f"the configuration has more than {MOST_VALUES} values or {DEEPEST} levels; "
            "does a YAML reference (*name) stand for much?"
        )
    schema = _read_schema(schema_path)
    faults = list(unfit_values(config))
    if not faults:
        errors: list[Any] = sorted(
            Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))
        )
        faults = [line for error in errors for line in describe(error)]
    if not faults:
        faults = list(_missing_defaults(config, schema))
    if not faults:
        faults = [*_contradictions(config), *_dangling_names(config)]
    if faults:
        raise SSENetError("the configuration has faults:\n" + "\n".join(f"  {x}" for x in faults))


def read_text_values(config: dict[str, Any], schema_path: str | Path) -> None:
    """Read texts as YAML, in place, where the schema wants no text: `--config` hands over texts."""
    if is_too_large(config) or any(unfit_values(config)):
        return  # `validate` says so
    for error in list(Validator(_read_schema(schema_path)).iter_errors(config)):
        if isinstance(error.instance, str) and error.absolute_path:
            *parents, last = error.absolute_path
            place: Any = config
            for key in parents:
                place = place[key]
            if place[last] is error.instance:  # not so where the fault is in a section's keys
                place[last] = _read_text(error.instance)


def _read_text(text: str) -> Any:
    """A number, a truth value or null from a text; the text itself where it is none of them."""
    # PyYAML takes what looks like a date for one, and goes down into brackets without an end.
    with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError):
        value = yaml.safe_load(text)
        if isinstance(value, int | float | None):
            return value
    return text


def _read_schema(path: str | Path) -> Mapping[str, Any]:
    return _parsed(Path(path).read_text())


@cache
def _parsed(text: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = yaml.safe_load(text)
    return schema


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


def seeded(name: str, seed: int, seeds: list[int]) -> str:
    """A variant's name for one of a run's seeds: plain where the run has none but its own."""
    return name if seeds == [0] else f"{name}{SEED_MARK}{seed}"


def gpus_a_job(compute: Mapping[str, Any]) -> int:
    """GPUs that a job asks for: `compute.gpus`, or 1 where this machine has one to be used."""
    if compute["gpus"] != "auto":
        return int(compute["gpus"])
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return int(Path("/dev/nvidiactl").exists() and not hidden)


def training_devices(compute: Mapping[str, Any]) -> dict[str, int]:
    """What a training runs on, as arguments of `training.devices.Devices`.

    GPUs that are asked for by number must be there; `auto` takes one if there is one.
    """
    several = compute["train_gpus"] * compute["train_nodes"] > 1
    if not gpus_a_job(compute) or (compute["gpus"] == "auto" and not several):
        return {}
    return {"gpus": compute["train_gpus"], "nodes": compute["train_nodes"]}


def _missing_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Keys that a stage's defaults lack: every variant has all of them."""
    for section in STAGES:
        rule, defaults = {"$ref": f"#/$defs/{section}"}, config[section]["defaults"]
        yield from missing_keys(defaults, rule, schema["$defs"], f"{section}.defaults")


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
    for section in STAGES:
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
    processes = config["compute"]["train_gpus"] * config["compute"]["train_nodes"]
    if config["compute"]["gpus"] != 0 and settings["batch_size"] % processes:
        yield (
            f"batch_size {settings['batch_size']}: must be a multiple of compute.train_gpus x "
            f"compute.train_nodes, {processes}, which share each batch"
        )
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
