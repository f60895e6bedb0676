"""The dataset's files behind a run's manifests, working copies and corrected labels.

Digests are texts that change when files do, by which Snakemake knows what is stale.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ssenet_core.data import dataset, originals
from ssenet_core.plan.base import Plan, per_image, record_path


def generated_files(plan: Plan, ids: Iterable[str]) -> list[str]:
    """Images and masks of a generated dataset, which its check waits for."""
    if plan.dataset.source != "shapes":
        return []
    ids, root = list(ids), plan.dataset.root
    images = per_image(f"{root}/JPEGImages", ids, ".jpg")
    return images + per_image(f"{root}/SegmentationClass", ids, ".png")


def split_settings(plan: Plan, split: str) -> dict[str, Any]:
    """What of the dataset's section a split's manifest depends on."""
    unused = {"lists", "shapes", "tags_csv", "corrections"}
    own = plan.source.model_dump(mode="json", exclude=unused)
    return own | {"split": split, "classes": list(plan.classes)}


def ids_digest(plan: Plan, split: str) -> str:
    """A text that changes when the split's list does."""
    return sha256("\n".join(plan.ids[split]).encode()).hexdigest()[:16]


def images_digest(plan: Plan, split: str, ids: Iterable[str]) -> str:
    """A text that changes when the files behind some ids do, by their sizes and dates.

    Of prepared images, it is their labels that count: the copies are inputs.
    """
    return dataset.files_digest(plan.source, split, ids, labels_only=bool(plan.originals))


def originals_digest(plan: Plan, split: str, shard: int) -> str:
    """A text that changes when the photographs or masks of a shard do."""
    ids = plan.shards[split][shard]
    masks = masks_to_prepare(plan, split, ids)
    return originals.originals_digest(
        [file for image in ids for file in (plan.originals[image], masks.get(image))],
        record_path(f"{plan.results}/prepared", split, shard),
    )


def corrections(plan: Plan) -> Path | None:
    """The folder or file of corrected labels, if there is one."""
    source = plan.source
    return dataset.dataset_root(source) / source.corrections if source.corrections else None


def corrections_record(plan: Plan, *, used: bool = True) -> str | list[str]:
    """What the job that gathers corrected labels writes; empty where there are none."""
    return f"{plan.results}/corrections.json" if corrections(plan) and used else []


def corrections_digest(plan: Plan) -> str:
    """A text that changes when corrected labels do."""
    files = originals.correction_files(corrections(plan) or "")
    return originals.originals_digest(files, f"{plan.results}/corrections.json")


def masks_to_prepare(plan: Plan, split: str, ids: Iterable[str]) -> dict[str, Path]:
    """The masks to prepare, by id: those that are scored or that labels come from."""
    labelled = "masks" in plan.source.tags and split != "test"
    paths = {image: dataset.mask_path(plan.source, image) for image in ids}
    return {
        image: path
        for image, path in paths.items()
        if path and (image in plan.scored_ids or (labelled and path.exists()))
    }
