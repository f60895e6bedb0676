"""What every rule needs to know of a configuration: splits, shards, paths, variants, chains.

`Plan` and its methods raise an `SSENetError` for lists, classes, variants or weights that are
wrong or missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssenet_core.data.dataset import (
    SPLITS,
    check_pseudo_eval_subset,
    class_names,
    dataset_root,
    has_ground_truth,
    missing_voc2012,
    shard_ids,
    split_ids,
)
from ssenet_core.data.originals import find_originals, working_dataset
from ssenet_core.errors import SSENetError
from ssenet_core.models.catalogue import initial_weights_file
from ssenet_core.settings import (
    DEFAULTS,
    AnySettings,
    defaults,
    load,
    merged,
    refuse_repeated_keys,
    starting_variant,
)

Chain = dict[str, str]  # variant names by stage: cam, affinity, deeplab


class Plan:
    """A configuration, and what follows from it for the rules.

    Attributes:
        settings: of the whole configuration.
        source: the dataset's section, with the folder of a generated dataset filled in.
        dataset: what the stages use: the source, or its working copies.
        originals: photographs behind the working copies by id; none without `working_size`.
        ids: image ids of each split that there is.
        scored: splits with ground truth that stages are evaluated on.
        scored_ids: their images.
        shards: image ids by split and number of the shard; those of pseudo_eval are among train's.
        cams: CAM networks that the run names, one name a seed ("ssenet@1").
        chains: chains through to DeepLab, one a seed.
        all_cams: CAM networks of the run and of its chains.
        trained_cams: these, and the variants that they start from, which come first.
        gallery_split: the split whose images the report shows in all stages.
        shown_cam: the CAM network whose images the report shows, of the first chain.
    """

    def __init__(self, config: Mapping[str, Any], files: Sequence[str | Path] = ()) -> None:
        """Plan what a configuration asks for.

        Args:
            config: overrides of `config.yaml`, or the merged whole.
            files: that it was read from.

        Raises:
            SSENetError: the configuration has faults, or lists, classes, a download or files of
                initial weights are missing.
        """
        refuse_repeated_keys(files)
        recipes = [str(file) for file in files if Path(file).name != DEFAULTS.name]
        self._download = " ".join(["download what is missing by: ssenet download", *recipes])
        self.settings = load(merged(defaults(), config))
        found, run = self.settings.dataset, self.settings.run
        self.source = found.model_copy(update={"root": str(dataset_root(found))})
        if missing := missing_voc2012(self.settings):
            raise SSENetError(
                f"dataset {found.name}: {', '.join(map(str, missing))} not found (seen from "
                f"{Path.cwd()}); {self._download}"
            )
        self.classes = class_names(self.source)
        self.ids = self._ids()
        self.dataset, self.originals = self.source, dict[str, Path]()
        if found.working_size:
            self.dataset = working_dataset(self.source, f"{self.results}/prepared", self.classes)
            images = Path(self.source.root or "") / self.source.image_dir
            self.originals = find_originals(
                images, unique(image for ids in self.ids.values() for image in ids)
            )
        self.scored = [
            split
            for split in ("pseudo_eval", "val")
            if split in self.ids and has_ground_truth(self.dataset, split)
        ]
        self.scored_ids = {image for split in self.scored for image in self.ids[split]}
        shards = self.settings.compute.shards
        self.shards = {
            split: {shard: part for shard, part in enumerate(shard_ids(ids, shards)) if part}
            for split, ids in self.ids.items()
            if split != "pseudo_eval"
        }
        self.gallery_split = "pseudo_eval" if "pseudo_eval" in self.ids else "train"
        self.cams = [
            self.settings.seeded("cam", name, seed) for name in run.cams for seed in run.seeds
        ]
        self.chains = [
            {stage: self.settings.seeded(stage, name, seed) for stage, name in chain}
            for chain in run.chains
            for seed in run.seeds
        ]
        self.chain_cams = unique(chain["cam"] for chain in self.chains)
        self.all_cams = unique([*self.cams, *self.chain_cams])
        self.shown_cam = [*self.chain_cams, *self.cams][0]
        starts = [start for cam in self.all_cams for start in self._starts(cam)]
        self.trained_cams = unique([*starts, *self.all_cams])
        self._check_initial_weights()

    def _ids(self) -> dict[str, list[str]]:
        ids = {split: found for split in SPLITS if (found := split_ids(self.source, split))}
        for split, name in self.source.lists:
            if split not in ids and (name is not None or split == "train"):
                raise SSENetError(f"dataset.lists.{split}: {name}: there are no images in it")
        check_pseudo_eval_subset(ids)
        return ids

    # Paths

    @property
    def results(self) -> str:
        """The folder of all results."""
        return f"results/{self.settings.dataset.name}"

    def pathvars(self) -> dict[str, str]:
        """Beginnings of the rules' paths, by the names that these write in angle brackets."""
        return {
            "results": self.results,
            "logs": f"logs/{self.settings.dataset.name}",
            "benchmarks": f"{self.results}/benchmarks",
            "cam": f"{self.results}/cam/{{cam}}",
            "affinity": f"{self.results}/affinity/{{cam}}/{{affinity}}",
            "deeplab": f"{self.results}/deeplab/{{cam}}/{{affinity}}/{{deeplab}}",
        }

    def wildcards(self, stage: str) -> str:
        """The part of a stage's folder that names variants: "{cam}/{affinity}"."""
        return self.pathvars()[stage].removeprefix(f"{self.results}/{stage}/")

    def of_cams(self, path: str, names: Iterable[str]) -> list[str]:
        """A path below the folder of each of some CAM networks."""
        return unique(f"{self.results}/cam/{name}/{path}" for name in names)

    def of_chains(self, stage: str, path: str, chains: Iterable[Chain] | None = None) -> list[str]:
        """A path below the folder of a stage in each chain, in the run's if no others are given."""
        chains = self.chains if chains is None else chains
        folder = self.pathvars()[stage]
        return unique(f"{folder.format(**chain)}/{path}" for chain in chains)

    def manifest(self, split: str, shard: int | None = None) -> str:
        """The manifest of a split, or of one shard of it."""
        part = "" if shard is None else f".shards/{shard}"
        return f"{self.results}/manifest/{split}{part}.json"

    # Variants

    def variant(self, stage: str, name: str) -> AnySettings:
        """The settings of a stage's variant, "ssenet", or of variant@seed, "ssenet@1"."""
        return self.settings.resolve(stage, name)

    def initial_weights(self, stage: str, name: str, cam: str) -> str | None:
        """The file of a variant's initial weights; None if none has to be put in place.

        Args:
            stage: cam, affinity or deeplab.
            name: the stage's variant.
            cam: the CAM network of its chain; of stage cam, the variant itself.

        Raises:
            SSENetError: the file is no result of this workflow, and not there.
        """
        backbone = self.variant(stage, name).backbone
        start = cam if backbone.weights == "cam" else starting_variant(backbone.weights, cam)
        if start:
            return f"{self.results}/cam/{start}/model.pt"
        file = initial_weights_file(backbone, self.settings.download.folder)
        if file and not Path(file).exists():
            raise SSENetError(
                f"{stage}: backbone.weights: {file}: no such file (seen from {Path.cwd()}); "
                f"{self._download}, put a file of your own there, or take a backbone whose "
                "weights a package brings, such as {name: efficientnet_lite0, weights: imagenet}"
            )
        return file

    def _starts(self, cam: str) -> list[str]:
        """The CAM networks that one starts from, directly or by others; the first trained first."""
        start = starting_variant(self.variant("cam", cam).backbone.weights, cam)
        return [*self._starts(start), start] if start else []

    def _check_initial_weights(self) -> None:
        """Raise for missing files of initial weights.

        Snakemake ignores what an input function raises where the rule's outputs exist.
        """
        for cam in self.trained_cams:
            self.initial_weights("cam", cam, cam)
        for chain in self.chains:
            for stage in ("affinity", "deeplab"):
                self.initial_weights(stage, chain[stage], chain["cam"])


def shard_rule(stage: str, split: str, shard: int) -> str:
    """The name of a stage's rule for one shard."""
    return f"{stage}_{split}_{shard:03d}"


def record_path(folder: str, split: str, shard: int) -> str:
    """The record of a shard's files in a stage's folder."""
    return f"{folder}/{split}.shards/{shard}.json"


def per_image(folder: str, ids: Iterable[str], suffix: str) -> list[str]:
    """One path an image."""
    return [f"{folder}/{image}{suffix}" for image in ids]


def unique(names: Iterable[str]) -> list[str]:
    """Names without repeats, in their order."""
    return list(dict.fromkeys(names))
