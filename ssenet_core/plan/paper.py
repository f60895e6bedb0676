"""The paper's tables and figures, on whatever dataset is configured.

Functions raise `SSENetError` where the dataset has no ground truth for what is shown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ssenet_core.errors import SSENetError
from ssenet_core.plan.base import Chain, Plan, record_path
from ssenet_core.plan.reporting import gallery_ids
from ssenet_core.settings.sections import PaperSettings


def _last_compared(paper: PaperSettings) -> Sequence[str]:
    """The CAM variant whose chain the paper goes on with, to the segmentation network."""
    return paper.compared[-1:]


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        title: its heading.
        split: the split of its scores.
        stages: whose scores it shows.
        cams: the CAM variants that it shows or begins with.
    """

    title: str
    split: str
    stages: tuple[str, ...]
    cams: Callable[[PaperSettings], Sequence[str]]


TABLES = {
    1: Table(
        "Table 1: baseline and SSENet by the small branch's rate, pseudo_eval",
        split="pseudo_eval",
        stages=("cam", "affinity"),
        cams=attrgetter("table1"),
    ),
    2: Table(
        "Table 2: baseline and SSENet by the range of scales in training, pseudo_eval",
        split="pseudo_eval",
        stages=("cam",),
        cams=attrgetter("table2"),
    ),
    3: Table(
        "Table 3: the segmentation network, val",
        split="val",
        stages=("deeplab",),
        cams=_last_compared,
    ),
}


def figure_ids(plan: Plan, split: str) -> list[str]:
    """Images of a split that the paper's figures show: the gallery's, one at least."""
    return gallery_ids(plan, split) or plan.ids[split][:1]


def compared_cams(plan: Plan) -> list[str]:
    """The CAM networks that figures compare, of the run's first seed."""
    compared, seed = plan.settings.paper.compared, plan.settings.run.seeds[0]
    return [plan.settings.seeded("cam", name, seed) for name in compared]


def table_models(plan: Plan, table: Table) -> dict[str, Any]:
    """What a table reads of its CAM variants' settings, by name, if its rows are CAM variants."""
    names = table.cams(plan.settings.paper) if "cam" in table.stages else ()
    return {
        name: plan.variant("cam", name).model_dump(mode="json", include={"ser", "resize"})
        for name in names
    }


def table_evaluations(plan: Plan, table: Table) -> list[str]:
    """The evaluations that a table shows.

    Raises:
        SSENetError: the dataset has no ground truth for them.
    """
    _check_scored(plan, table.split)
    chains = paper_chains(plan, table.cams(plan.settings.paper))
    path = f"evaluation/{table.split}.json"
    return [file for stage in table.stages for file in plan.of_chains(stage, path, chains)]


def scale_evaluations(plan: Plan) -> list[str]:
    """Scores by test scale of the compared networks.

    Raises:
        SSENetError: the dataset has no ground truth for them.
    """
    _check_scored(plan, "pseudo_eval")
    return plan.of_cams("evaluation/pseudo_eval_scales.json", compared_cams(plan))


def _check_scored(plan: Plan, split: str) -> None:
    """Raise an `SSENetError` if a split has no ground truth."""
    if split not in plan.scored:
        raise SSENetError(
            f"this target shows scores on {split}, which the dataset {plan.dataset.name} has "
            "no masks for: see dataset.mask_dir and dataset.lists"
        )


def paper_chains(plan: Plan, cams: Iterable[str]) -> list[Chain]:
    """The chains behind CAM variants, one a seed."""
    paper, seeded = plan.settings.paper, plan.settings.seeded
    behind = {"affinity": paper.affinity, "deeplab": paper.deeplab}
    return [
        {stage: seeded(stage, name, seed) for stage, name in {**behind, "cam": cam}.items()}
        for cam in cams
        for seed in plan.settings.run.seeds
    ]


def prediction_records(plan: Plan, split: str) -> list[str]:
    """Records of all predictions of a split by the paper's last compared chain, first seed."""
    chain = paper_chains(plan, _last_compared(plan.settings.paper))[:1]
    folder = plan.of_chains("deeplab", "predictions", chain)[0]
    return [record_path(folder, split, shard) for shard in plan.shards[split]]
