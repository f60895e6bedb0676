"""Photographs of 2, 12 and 48 megapixels: a working copy of one, and its segmentation.

Each in a process of its own, whose peak memory counts whole. The network is DeepLab on
EfficientNet-Lite0 with 20 classes and random weights, for photographs of 500 pixels; prediction
is what `ssenet predict --overlay` does: three scales with flips, dense CRF, mask and overlay.

    python benchmarks/large_photographs.py [--runs 3]
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from compare import must, options, row, verdict
from PIL import Image

SIZES = {2: (1632, 1224), 12: (4032, 3024), 48: (8064, 6048)}
EDGE = 500
MOST_MEMORY = 2000  # MB
MOST_SECONDS = {2: 10, 12: 10, 48: 30}


def one(what: str, photograph: Path, folder: Path) -> None:
    """Prepare or segment one photograph, and print seconds and the process's peak, MB."""
    if what == "prepare":
        from ssenet_core.io.photographs import read_photograph

        started = time.perf_counter()
        copy = read_photograph(photograph, EDGE)
        copy.image.save(folder / "copy.jpg", quality=95)
    else:
        from ssenet_core.predict import segment_photographs
        from ssenet_core.segmenter import DENSE_CRF, Segmenter

        segmenter = Segmenter.load(folder / "model.pt", "cpu", flip=True, crf=DENSE_CRF)
        started = time.perf_counter()
        segment_photographs(segmenter, {"mask": photograph}, folder / "out", overlays=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - started, peak)


def write_model(path: Path) -> None:
    """A DeepLab of random weights for photographs of `EDGE` pixels."""
    from ssenet_core.models.checkpoints import save_checkpoint
    from ssenet_core.models.networks import build_network
    from ssenet_core.run import WORKFLOW
    from ssenet_core.settings import read_configuration

    recipe = read_configuration([WORKFLOW / "recipes" / "voc2012-lite.yaml"])
    chosen = recipe.deeplab.resolve("default")
    names = [f"class {number}" for number in range(20)]
    network = build_network(chosen, names)
    save_checkpoint(path, network, settings=chosen, classes=names, longest_edge=EDGE)


def main() -> None:
    """Measure each size."""
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return
    given = options(__doc__, runs=3).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder / "model.pt")
        for megapixels, size in SIZES.items():
            rng = np.random.default_rng(0)
            coarse = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3)).astype(np.uint8)
            photograph = folder / "photograph.jpg"
            Image.fromarray(coarse).resize(size).save(photograph, quality=92)
            found = {}
            for what in ("prepare", "segment"):
                command = [sys.executable, __file__, "--one", what, str(photograph), temporary]
                runs = [
                    subprocess.run(command, check=True, capture_output=True, text=True).stdout
                    for _ in range(given.runs)
                ]
                seconds, peaks = zip(*(map(float, run.split()) for run in runs), strict=True)
                found[what] = statistics.median(seconds), max(peaks)
            with Image.open(folder / "out" / "masks" / "mask.png") as mask:
                must(mask.size == size, f"the mask has {mask.size} of {size}")
            seconds, peak = found["segment"]
            good = peak < MOST_MEMORY and seconds < MOST_SECONDS[megapixels]
            row(
                f"a photograph of {megapixels} megapixels",
                "",
                f"< {MOST_MEMORY / 1000:g} GB, < {MOST_SECONDS[megapixels]} s on 1 core",
                f"working copy {found['prepare'][0]:.2f} s, {found['prepare'][1]:.0f} MB; "
                f"segmentation {seconds:.1f} s, {peak:.0f} MB: {verdict(good)}",
                "the mask has the photograph's size",
            )


if __name__ == "__main__":
    main()
