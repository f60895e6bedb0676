"""What the report shows: scores, curves, settings, and images through all stages."""

from pathlib import Path
from typing import Any

from ssenet_core.data.dataset import evenly_spaced
from ssenet_core.plan.base import Plan, unique


def evaluations(plan: Plan) -> list[str]:
    """Scores of the run's stages, as far as there is ground truth."""
    files = []
    if "pseudo_eval" in plan.scored:
        files += plan.of_cams("evaluation/pseudo_eval.json", plan.all_cams)
        files += plan.of_cams("evaluation/pseudo_eval_crf.json", plan.chain_cams)
        files += plan.of_chains("affinity", "evaluation/pseudo_eval.json")
    if "val" in plan.scored:
        files += plan.of_chains("deeplab", "evaluation/val.json")
    return files


def measured_scales(plan: Plan) -> list[str]:
    """Scores by test scale, as far as they exist: figure4 and figure5 have them made."""
    files = plan.of_cams("evaluation/pseudo_eval_scales.json", plan.all_cams)
    return [file for file in files if Path(file).exists()]


def metrics(plan: Plan) -> dict[str, str]:
    """Name of a training ("cam/ssenet") to its metrics."""
    name = "metrics.csv"
    files = plan.of_cams(name, plan.trained_cams)
    files += [*plan.of_chains("affinity", name), *plan.of_chains("deeplab", name)]
    return {str(Path(file).parent.relative_to(plan.results)): file for file in files}


def shown_settings(plan: Plan) -> dict[str, Any]:
    """The settings of what the run makes, as the report shows them."""
    names = {"cam": plan.trained_cams} | {
        stage: [chain[stage] for chain in plan.chains] for stage in ("affinity", "deeplab")
    }
    stages = {
        stage: {
            name: plan.variant(stage, name).model_dump(mode="json", exclude={"save_every"})
            for name in unique(variants)
        }
        for stage, variants in names.items()
    }
    shown = {"dataset", "run", "tags", "refine", "evaluation"}
    return plan.settings.model_dump(mode="json", include=shown) | stages


def gallery_ids(plan: Plan, split: str) -> list[str]:
    """Images of a split that the report shows, evenly spaced over its list."""
    return evenly_spaced(plan.ids.get(split, []), plan.settings.run.gallery)


def gallery(plan: Plan) -> list[dict[str, Any]]:
    """What the report shows of each image: training images in all stages, then predictions."""
    cam = plan.shown_cam
    stages = {"maps_dir": plan.of_cams("maps/train", [cam])[0]}
    shown = [(plan.gallery_split, stages)]
    if plan.chains:
        first = plan.chains[:1]
        predictions = plan.of_chains("deeplab", "predictions", first)[0]
        stages |= label_folders(plan)
        stages["prediction_dir"] = f"{predictions}/gallery"
        shown.append(("val", {"prediction_dir": f"{predictions}/val"}))
    alpha = plan.settings.evaluation.alpha
    return [
        {"id": name, "split": split, "cam": cam, "alpha": alpha} | folders
        for split, folders in shown
        for name in gallery_ids(plan, split)
    ]


def label_folders(plan: Plan) -> dict[str, str]:
    """Folders of the first chain's labels of training images, as the report names them."""
    return {
        "refined_dir": plan.of_cams("affinity_labels/train", [plan.shown_cam])[0],
        "pseudo_dir": plan.of_chains("affinity", "pseudo_labels/train", plan.chains[:1])[0],
    }


def gallery_files(plan: Plan) -> list[str]:
    """The per-image files that the gallery shows."""
    suffixes = {"maps_dir": "h5", "refined_dir": "h5", "pseudo_dir": "png"}
    suffixes["prediction_dir"] = "png"
    return [
        f"{item[key]}/{item['id']}.{suffix}"
        for item in gallery(plan)
        for key, suffix in suffixes.items()
        if key in item
    ]
