"""Values that the schema allows and that do not go together, and names that refer to nothing.

In: a configuration that fits the schema. Out: a line a fault, with the key's path.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ssenet_core.config.variants import SEED_MARK, resolve, starting_variant
from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import (
    backbone_faults,
    described,
    keys_without_effect,
    output_stride,
)
from ssenet_core.models.pretrained import IMAGENET

STAGES = ("cam", "affinity", "deeplab")  # sections with variants


def contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Values that are each allowed and do not go together."""
    dataset = config["dataset"]
    if dataset["source"] == "voc" and dataset.get("root") is None:
        yield "dataset.root: found None, allowed: the dataset's folder (source is voc)"
    strong, weak = config["refine"]["powers"]
    if strong >= weak:
        yield f"refine.powers: found [{strong}, {weak}], allowed: the smaller first, the strong one"
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
    if section == "affinity" and settings["pairs"] == "inner":
        least = (2 * settings["radius"] - 1) * stride
        if settings["crop"] < least:
            yield f"crop {settings['crop']}: must be {least} or more for pairs: inner to have any"
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
        yield "backbone.weights: found 'cam', allowed: null, imagenet, cam:VARIANT or a file"
    backbone = settings["backbone"]
    if source == IMAGENET and backbone["name"] == "resnet38" and backbone["width"] != 1:
        yield f"backbone.weights: of resnet38, imagenet's are of width 1, found {backbone['width']}"
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


def dangling_names(config: Mapping[str, Any]) -> Iterator[str]:
    """Variants that the run or the paper's targets name and no section has."""
    named = [("run.cams", "cam", name) for name in config["run"]["cams"]]
    for index, chain in enumerate(config["run"]["chains"]):
        named += [(f"run.chains[{index}].{key}", key, chain[key]) for key in chain]
    shown = config["paper"]
    rows = [(f"paper.{key}", "cam", name) for key in ("table1", "table2") for name in shown[key]]
    named += rows + [("paper.compared", "cam", name) for name in shown["compared"]]
    named += [(f"paper.{section}", section, shown[section]) for section in ("affinity", "deeplab")]
    faults = []
    for where, section, name in dict.fromkeys(named):
        try:
            resolve(config, section, name)
        except SSENetError as error:
            faults.append(f"{where}: {error}")
            continue
        if SEED_MARK in name and (config["run"]["seeds"] != [0] or (where, section, name) in rows):
            faults.append(f"{where}: {name}: run.seeds says which seeds; leave out {SEED_MARK}")
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
