"""The text of a configuration for someone's own photographs: YAML with a word on each choice.

In: sections as plain values. Out: text that Snakemake's `--configfile` reads.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.own_data.machine import Machine
from ssenet_core.own_data.sizes import Sizes
from ssenet_core.own_data.split import Splits
from ssenet_core.own_data.survey import Survey
from ssenet_core.own_data.weights import Weights
from ssenet_core.settings import DatasetSettings, validated

FROM_SCRATCH = (
    "No first weights: the network `pretrained` learns the tags from random weights, and the",
    "others start from it. Without --weights none, they would start from an ImageNet network.",
)
FROM_WEIGHTS = (
    "All networks start from an ImageNet network, whose first stages stay as they are. The values",
    "were chosen on photographs of PASCAL VOC with efficientnet_lite0 (docs/results.md).",
)


def dataset_settings(
    name: str, found: Survey, splits: Splits, *, lists: Path | None, masks: Path | None
) -> DatasetSettings:
    """The section `dataset`; folders are relative to that of the photographs.

    Args:
        name: of the folder in results/.
        found: the photographs.
        splits: their ids.
        lists: the folder that holds the lists of the splits; None where the table alone says it.
        masks: the folder of the masks, if there are any.
    """
    root = found.folder.resolve()

    def relative(path: Path) -> str:
        return os.path.relpath(path.resolve(), root)

    table = relative(found.table)
    names = {
        "train": "train" if lists else None,
        "pseudo_eval": _scored_list(splits),
        "val": "val" if splits.val else None,
        "test": None,
    }
    section = {
        "name": name,
        "source": "voc",
        "root": str(root),
        "image_dir": ".",
        "image_suffix": found.suffix,
        "classes": list(found.classes),
        "tags": ["csv"],
        "tags_csv": {"train": table, "val": table if splits.val else None, "test": None},
        "mask_dir": relative(masks) if masks else None,
        "list_dir": relative(lists) if lists else ".",
        "lists": names,
    }
    return validated(DatasetSettings, section, "dataset")


def _scored_list(splits: Splits) -> str | None:
    if not splits.pseudo_eval:
        return None
    return "train" if splits.pseudo_eval == splits.train else "pseudo_eval"


def overlay_text(
    file: str,
    dataset: DatasetSettings,
    stages: Mapping[str, Any],
    sizes: Sizes,
    machine: Machine,
    weights: Weights | None,
) -> str:
    """A configuration file's text.

    Args:
        file: its name, for the command at the top.
        dataset: the section of that name.
        stages: the sections of `sizes.stages`.
        sizes: what they follow from.
        machine: what they were chosen for.
        weights: the first weights, if there are any.
    """
    scored = "scored against the masks" if dataset.mask_dir else "scored nowhere: no masks"
    edge = f"The photographs' longest edge is {sizes.edge} pixels (the median)"
    cam = stages["cam"]["defaults"]
    trained = cam["resize"]
    written = dataset.model_dump(mode="json", exclude_unset=True)
    lines = [
        f"# snakemake --cores all --configfile {file}",
        f"# Written by ssenet init for {machine.described()}.",
        "# What is not here is as in config.yaml; docs/configuration.md describes every key.",
        "",
        *_section("dataset", written, _dataset_comments(scored)),
        "",
        "run:",
        "  cams: [ssenet] # baseline beside it shows what equivariance gives",
        "",
        *(f"# {line}" for line in (FROM_WEIGHTS if weights else FROM_SCRATCH)),
        f"# {edge}: the networks learn from them at",
        f"# {trained[0]} to {trained[1]}. The factors below are of each photograph's own size.",
        *_section("cam", stages["cam"], {"defaults.crop": "larger ones need more memory"}),
        "",
        *_section("affinity", stages["affinity"], {}),
        "",
        *_section("deeplab", stages["deeplab"], {"defaults.iterations": "training steps"}),
        "",
        *_section("paper", stages["paper"], {}),
        "",
        *_section("compute", _compute(sizes), _compute_comments()),
    ]
    return "\n".join(lines) + "\n"


def _compute(sizes: Sizes) -> dict[str, int]:
    return {
        "shards": sizes.shards,
        "training_threads": sizes.threads,
        "workers": sizes.workers,
    }


def _compute_comments() -> dict[str, str]:
    return {
        "shards": "jobs a per-image stage; another number makes those stages anew",
        "training_threads": "with the workers, as many as there are cores",
        "workers": "processes that load photographs for a training",
    }


def _dataset_comments(scored: str) -> dict[str, str]:
    return {
        "name": "of the folder in results/",
        "root": "the folder of the photographs; the paths below are relative to it",
        "classes": "label values 1, 2, ... in this order",
        "mask_dir": scored,
        "lists": "null: none, or the rows of the table",
    }


def _section(name: str, content: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    """A section in block style down to `variants` and `defaults`, in flow style below them."""
    lines = [f"{name}:"]
    for key, value in content.items():
        if key in {"defaults", "variants"}:
            lines.append(f"  {key}:")
            own = {inner: comments.get(f"{key}.{inner}") for inner in value}
            lines += [_line("    ", inner, below, own[inner]) for inner, below in value.items()]
        else:
            lines.append(_line("  ", key, value, comments.get(key)))
    return lines


def _line(indent: str, key: str, value: Any, comment: str | None) -> str:
    return f"{indent}{key}: {_flow(value)}" + (f" # {comment}" if comment else "")


def _flow(value: Any) -> str:
    """A value on one line of YAML; text is quoted where it could be read as something else."""
    if isinstance(value, str):
        plain = yaml.safe_dump(value, allow_unicode=True, width=float("inf")).splitlines()[0]
        return plain if yaml.safe_load(plain) == value else json.dumps(value)
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.splitlines()[0]
