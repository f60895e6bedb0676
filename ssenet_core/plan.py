"""What a run makes, from which settings and images, under which paths; without Snakemake.

The workflow builds one `Plan` while it is read, so nothing here opens an image or imports torch.
`Plan` and its methods raise an `SSENetError` for lists, classes, variants or weights that are
wrong or missing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ssenet_core.data.dataset import (
    SPLITS,
    check_pseudo_eval_subset,
    class_names,
    dataset_root,
    evenly_spaced,
    files_digest,
    has_ground_truth,
    mask_path,
    missing_voc2012,
    shard_ids,
    split_ids,
    unlisted_rows,
)
from ssenet_core.data.originals import (
    correction_files,
    find_originals,
    originals_digest,
    working_dataset,
)
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
        shards = self.settings.compute.shards
        self.shards = {
            split: {shard: part for shard, part in enumerate(shard_ids(ids, shards)) if part}
            for split, ids in self.ids.items()
            if split != "pseudo_eval"
        }
        self.gallery_split = "pseudo_eval" if "pseudo_eval" in self.ids else "train"
        self.cams = self.seeded_cams(run.cams)
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

    # The dataset

    def generated_files(self, ids: Iterable[str]) -> list[str]:
        """Images and masks of a generated dataset, which its check waits for."""
        if self.dataset.source != "shapes":
            return []
        ids, root = list(ids), self.dataset.root
        images = per_image(f"{root}/JPEGImages", ids, ".jpg")
        return images + per_image(f"{root}/SegmentationClass", ids, ".png")

    def split_settings(self, split: str) -> dict[str, Any]:
        """What of the dataset's section a split's manifest depends on."""
        unused = {"lists", "shapes", "tags_csv", "corrections"}
        own = self.source.model_dump(mode="json", exclude=unused)
        return own | {"split": split, "classes": list(self.classes)}

    def ids_digest(self, split: str) -> str:
        """A text that changes when the split's list does."""
        return sha256("\n".join(self.ids[split]).encode()).hexdigest()[:16]

    def files_digest(self, split: str, ids: Iterable[str]) -> str:
        """A text that changes when the files behind some ids do, by their sizes and dates.

        Of prepared images, it is their labels that count: the copies are inputs.
        """
        return files_digest(self.source, split, ids, labels_only=bool(self.originals))

    def originals_digest(self, split: str, shard: int) -> str:
        """A text that changes when the photographs or masks of a shard do."""
        ids = self.shards[split][shard]
        masks = self.masks_to_prepare(split, ids)
        return originals_digest(
            [file for image in ids for file in (self.originals[image], masks.get(image))],
            record_path(f"{self.results}/prepared", split, shard),
        )

    @property
    def corrections(self) -> Path | None:
        """The folder or file of corrected labels, if there is one."""
        source = self.source
        return dataset_root(source) / source.corrections if source.corrections else None

    def corrections_record(self, *, used: bool = True) -> str | list[str]:
        """What the job that gathers corrected labels writes; empty where there are none."""
        return f"{self.results}/corrections.json" if self.corrections and used else []

    def corrections_digest(self) -> str:
        """A text that changes when corrected labels do."""
        files = correction_files(self.corrections or "")
        return originals_digest(files, f"{self.results}/corrections.json")

    def masks_to_prepare(self, split: str, ids: Iterable[str]) -> dict[str, Path]:
        """The masks to prepare, by id: those that are scored or that labels come from."""
        labelled = "masks" in self.source.tags and split != "test"
        paths = {image: mask_path(self.source, image) for image in ids}
        return {
            image: path
            for image, path in paths.items()
            if path and (image in self._scored_ids or (labelled and path.exists()))
        }

    @cached_property
    def _scored_ids(self) -> set[str]:
        """Images with ground truth that stages are evaluated on."""
        return {image for split in self.scored for image in self.ids[split]}

    def unlisted_rows(self) -> list[str]:
        """Images with image-level labels that are in no split."""
        return unlisted_rows(self.source, self.ids)

    # Variants

    def variant(self, stage: str, name: str) -> AnySettings:
        """The settings of a stage's variant, "ssenet", or of variant@seed, "ssenet@1"."""
        return self.settings.resolve(stage, name)

    def seeded_cams(self, names: Iterable[str]) -> list[str]:
        """CAM variants, one name a seed."""
        seeds = self.settings.run.seeds
        return [self.settings.seeded("cam", name, seed) for name in names for seed in seeds]

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

    # The default target

    def run_files(self) -> list[str]:
        """What the run makes image by image: records that no job waits for, and lost files.

        Snakemake checks only the files that are asked for. Asking for every image's costs minutes
        and half a gigabyte at ten thousand images, so one lost file a shard is asked for, which has
        the shard made again. A record costs more here than as a job's input, where its wildcards
        are known.
        """
        scored = self.all_cams if "pseudo_eval" in self.scored else self.chain_cams
        unscored = [cam for cam in self.all_cams if cam not in scored]
        kinds = [  # folders, split, suffix, whether a job waits for all records
            (self.of_cams("maps", scored), "train", ".h5", True),
            (self.of_cams("maps", unscored), "train", ".h5", False),
            (self.of_cams("affinity_labels", self.chain_cams), "train", ".h5", True),
            (self.of_chains("affinity", "pseudo_labels"), "train", ".png", True),
            (self.of_chains("deeplab", "predictions"), "val", ".png", "val" in self.scored),
        ]
        wanted = self._lost_drawings()
        for folders, split, suffix, awaited in kinds:
            for folder in folders:
                wanted += self._wanted(folder, split, suffix, awaited=awaited)
        return wanted

    def _wanted(self, folder: str, split: str, suffix: str, *, awaited: bool) -> list[str]:
        """What `run_files` asks for of one variant's files of a split."""
        there, done = names_in(f"{folder}/{split}"), names_in(f"{folder}/{split}.shards")
        wanted = []
        for shard, ids in self.shards.get(split, {}).items():
            if not awaited:
                wanted.append(record_path(folder, split, shard))
            if f"{shard}.json" in done:
                lost = [name for name in ids if f"{name}{suffix}" not in there]
                wanted += per_image(f"{folder}/{split}", lost[:1], suffix)
        return wanted

    def _lost_drawings(self) -> list[str]:
        """The first lost files of a generated dataset, for which all are drawn again."""
        lost = []
        if self.dataset.source == "shapes":
            for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
                at = f"{self.dataset.root}/{folder}"
                there = names_in(at)
                ids = self.ids["train"] + self.ids["val"]
                missing = [name for name in ids if there and f"{name}{suffix}" not in there]
                lost += per_image(at, missing[:1], suffix)
        return lost

    def mask_records(self) -> list[str]:
        """Records of the run's masks at the originals' sizes; of the labels, where none are larger.

        These are pseudo labels of training images and predictions of validation images.
        """
        labels, predictions = ("masks",) * 2 if self.originals else ("pseudo_labels", "predictions")
        folders = [(folder, "train") for folder in self.of_chains("affinity", labels)]
        if "val" in self.ids:
            folders += [(folder, "val") for folder in self.of_chains("deeplab", predictions)]
        return [
            record_path(folder, split, shard)
            for folder, split in folders
            for shard in self.shards[split]
        ]

    # The report

    def evaluations(self) -> list[str]:
        """Scores of the run's stages, as far as there is ground truth."""
        files = []
        if "pseudo_eval" in self.scored:
            files += self.of_cams("evaluation/pseudo_eval.json", self.all_cams)
            files += self.of_cams("evaluation/pseudo_eval_crf.json", self.chain_cams)
            files += self.of_chains("affinity", "evaluation/pseudo_eval.json")
        if "val" in self.scored:
            files += self.of_chains("deeplab", "evaluation/val.json")
        return files

    def measured_scales(self) -> list[str]:
        """Scores by test scale, as far as they exist: figure4 and figure5 have them made."""
        files = self.of_cams("evaluation/pseudo_eval_scales.json", self.all_cams)
        return [file for file in files if Path(file).exists()]

    def metrics(self) -> dict[str, str]:
        """Name of a training ("cam/ssenet") to its metrics."""
        name = "metrics.csv"
        files = self.of_cams(name, self.trained_cams)
        files += [*self.of_chains("affinity", name), *self.of_chains("deeplab", name)]
        return {str(Path(file).parent.relative_to(self.results)): file for file in files}

    def shown_settings(self) -> dict[str, Any]:
        """The settings of what the run makes, as the report shows them."""
        names = {"cam": self.trained_cams} | {
            stage: [chain[stage] for chain in self.chains] for stage in ("affinity", "deeplab")
        }
        stages = {
            stage: {
                name: self.variant(stage, name).model_dump(mode="json", exclude={"save_every"})
                for name in unique(variants)
            }
            for stage, variants in names.items()
        }
        shown = {"dataset", "run", "tags", "refine", "evaluation"}
        return self.settings.model_dump(mode="json", include=shown) | stages

    def gallery_ids(self, split: str) -> list[str]:
        """Images of a split that the report shows, evenly spaced over its list."""
        return evenly_spaced(self.ids.get(split, []), self.settings.run.gallery)

    def gallery(self) -> list[dict[str, Any]]:
        """What the report shows of each image: training images in all stages, then predictions."""
        cam = self.shown_cam
        stages = {"maps_dir": self.of_cams("maps/train", [cam])[0]}
        shown = [(self.gallery_split, stages)]
        if self.chains:
            first = self.chains[:1]
            predictions = self.of_chains("deeplab", "predictions", first)[0]
            stages["refined_dir"] = self.of_cams("affinity_labels/train", [cam])[0]
            stages["pseudo_dir"] = self.of_chains("affinity", "pseudo_labels/train", first)[0]
            stages["prediction_dir"] = f"{predictions}/gallery"
            shown.append(("val", {"prediction_dir": f"{predictions}/val"}))
        alpha = self.settings.evaluation.alpha
        return [
            {"id": name, "split": split, "cam": cam, "alpha": alpha} | folders
            for split, folders in shown
            for name in self.gallery_ids(split)
        ]

    def gallery_files(self) -> list[str]:
        """The per-image files that the gallery shows."""
        suffixes = {"maps_dir": "h5", "refined_dir": "h5", "pseudo_dir": "png"}
        suffixes["prediction_dir"] = "png"
        return [
            f"{item[key]}/{item['id']}.{suffix}"
            for item in self.gallery()
            for key, suffix in suffixes.items()
            if key in item
        ]

    # Doubtful tags and labels

    def fold_file(self, fold: int, file: str) -> str:
        """A file of the network, or of the images, of one of `tags.folds`."""
        return f"{self.results}/folds/{fold}/{file}"

    def fold_settings(self, cam: str) -> dict[str, Any]:
        """What the training of a fold's network depends on: the variant's, without regulariser."""
        settings = self.variant("cam", cam).used_in_training()
        return merged(settings, {"ser": {"weight": 0.0}})

    def fold_weights(self, fold: int, cam: str) -> str | None:
        """The file of a fold's network's initial weights.

        The network that a variant starts from has learnt from all tags: each fold has its own.
        """
        start = starting_variant(self.variant("cam", cam).backbone.weights, cam)
        if start:
            return self.fold_file(fold, f"{start}/model.pt")
        return self.initial_weights("cam", cam, cam)

    def tag_scorers(self) -> dict[str, str]:
        """Manifests of training images by the network that is asked about them."""
        folds = range(self.settings.tags.folds)
        if not folds:
            return {self.of_cams("model.pt", [self.shown_cam])[0]: self.manifest("train")}
        return {
            self.fold_file(fold, f"{self.shown_cam}/model.pt"): self.fold_file(
                fold, "held_out.json"
            )
            for fold in folds
        }

    def scored_view(self) -> dict[str, Any]:
        """The view of an image that its classes' probabilities are of: the first of inference."""
        found = self.settings.cam.resolve(self.shown_cam).inference
        return {"scale": found.scales[0], "flip": found.flip, "precision": found.precision}

    def doubts(self) -> dict[str, str]:
        """Where the report finds what is doubtful: files, and the first chain's labels."""
        found = {
            "manifest": self.manifest("train"),
            "tag_scores": f"{self.results}/tags/probabilities.json",
        }
        if first := self.chains[:1]:
            found["agreement"] = self.of_chains("deeplab", "agreement.json", first)[0]
            found["refined_dir"] = self.of_cams("affinity_labels/train", [self.shown_cam])[0]
            found["pseudo_dir"] = self.of_chains("affinity", "pseudo_labels/train", first)[0]
        return found

    def doubt_files(self) -> dict[str, str]:
        """Those of `doubts` that jobs make one by one."""
        return {key: path for key, path in self.doubts().items() if not key.endswith("_dir")}

    # The paper's tables and figures

    def figure_ids(self, split: str) -> list[str]:
        """Images of a split that the paper's figures show: the gallery's, one at least."""
        return self.gallery_ids(split) or self.ids[split][:1]

    def compared_cams(self) -> list[str]:
        """The CAM networks that figures compare, of the run's first seed."""
        compared, seed = self.settings.paper.compared, self.settings.run.seeds[0]
        return [self.settings.seeded("cam", name, seed) for name in compared]

    def table_cams(self, number: int) -> Sequence[str]:
        """The CAM variants of a table's rows; table 3 has none."""
        paper = self.settings.paper
        return {1: paper.table1, 2: paper.table2}.get(number, ())

    def table_models(self, number: int) -> dict[str, Any]:
        """What a table reads of its CAM variants' settings, by name."""
        return {
            name: self.variant("cam", name).model_dump(mode="json", include={"ser", "resize"})
            for name in self.table_cams(number)
        }

    def table_evaluations(self, number: int) -> list[str]:
        """The evaluations that a table shows.

        Raises:
            SSENetError: the dataset has no ground truth for them.
        """
        names, compared = self.table_cams(number), self.settings.paper.compared[-1:]
        self._check_scored("val" if number == 3 else "pseudo_eval")
        if number == 3:
            return self.of_chains("deeplab", "evaluation/val.json", self.paper_chains(compared))
        path = "evaluation/pseudo_eval.json"
        found = self.of_cams(path, self.seeded_cams(names))
        if number == 1:
            found += self.of_chains("affinity", path, self.paper_chains(names))
        return found

    def scale_evaluations(self) -> list[str]:
        """Scores by test scale of the compared networks.

        Raises:
            SSENetError: the dataset has no ground truth for them.
        """
        self._check_scored("pseudo_eval")
        return self.of_cams("evaluation/pseudo_eval_scales.json", self.compared_cams())

    def _check_scored(self, split: str) -> None:
        """Raise an `SSENetError` if a split has no ground truth."""
        if split not in self.scored:
            raise SSENetError(
                f"this target shows scores on {split}, which the dataset {self.dataset.name} has "
                "no masks for: see dataset.mask_dir and dataset.lists"
            )

    def paper_chains(self, cams: Iterable[str]) -> list[Chain]:
        """The chains behind CAM variants, one a seed."""
        paper, seeded = self.settings.paper, self.settings.seeded
        behind = {"affinity": paper.affinity, "deeplab": paper.deeplab}
        return [
            {stage: seeded(stage, name, seed) for stage, name in {**behind, "cam": cam}.items()}
            for cam in cams
            for seed in self.settings.run.seeds
        ]

    def prediction_records(self, split: str) -> list[str]:
        """Records of all predictions of a split by the paper's last compared chain, first seed."""
        chain = self.paper_chains(self.settings.paper.compared[-1:])[:1]
        folder = self.of_chains("deeplab", "predictions", chain)[0]
        return [record_path(folder, split, shard) for shard in self.shards[split]]


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


def names_in(folder: str) -> set[str]:
    """Names of the files in a folder, none where it does not exist."""
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()  # noqa: PTH112, PTH208
