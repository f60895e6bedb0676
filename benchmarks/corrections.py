"""What corrected labels give: DeepLab's score with the least agreeing photographs corrected.

The masks of some training photographs take the place of a person's corrections: of those whose
stages agree least, and of as many at random. Only DeepLab and what follows is run again.

    python benchmarks/corrections.py recipes/voc6.yaml --out FOLDER [--counts 5 20] [--seed 0]

FOLDER gets the corrections and the results; a second call goes on from what is there.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from workflow_runs import absolute_paths, make

from ssenet_core.data.manifest import load_manifest
from ssenet_core.doubts import read_agreement
from ssenet_core.io.files import read_json
from ssenet_core.settings import read_configuration


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipes", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--counts", nargs="+", type=int, default=[5, 20])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    settings = read_configuration(options.recipes)
    out, recipes = options.out.absolute(), [path.absolute() for path in options.recipes]
    out.mkdir(parents=True, exist_ok=True)
    results = f"results/{settings.dataset.name}"
    chain = "/".join(name for _, name in settings.run.chains[0])
    folder, agreement = f"{results}/deeplab/{chain}", f"{results}/deeplab/{chain}/agreement.json"
    change = absolute_paths(settings)

    def score() -> float:
        make(out, recipes, change, f"{folder}/evaluation/val.json", options.cores)
        return float(read_json(out / folder / "evaluation" / "val.json")["miou"])

    print("| corrected | photographs | DeepLab, val, mIoU % |\n|---|---:|---:|")
    print(f"| none | 0 | {score():.1f} |", flush=True)
    make(out, recipes, change, agreement, options.cores)
    masks = {
        record.id: record.mask
        for record in load_manifest(out / results / "manifest" / "pseudo_eval.json").images
        if record.mask and record.known_tags
    }
    order = [image for image in read_agreement(out / agreement)["image"] if image in masks]
    shuffled = np.random.default_rng(options.seed).permutation(order)
    for count in options.counts:
        for what, images in (("least agreeing", order[:count]), ("at random", shuffled[:count])):
            corrections = out / "corrections" / f"{what.replace(' ', '-')}-{count}"
            corrections.mkdir(parents=True, exist_ok=True)
            for image in images:
                shutil.copyfile(out / masks[image], corrections / f"{image}.png")
            change["dataset"]["corrections"] = str(corrections)
            print(f"| {what} | {count} | {score():.1f} |", flush=True)


if __name__ == "__main__":
    main()
