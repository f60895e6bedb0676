"""Run every benchmark and write docs/benchmarks.md: a table of claims, and each script's output.

A script that ends with an error, because its two ways give different answers, is named on the page,
and this one ends with an error too.

    python benchmarks/page.py [--only walk curve] [--images FOLDER]

With --only, the other scripts' part of the page is kept as it is. The rows of GPU stages come from
`docs/benchmarks/on_gpu.txt`, which `on_gpu.py` wrote on a machine with a GPU; `--only on_gpu` reads
it and runs nothing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from compare import HEADER, ROW

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
# In the order of the page; the second is whether the script takes a folder of photographs.
SCRIPTS = {
    "walk": True,
    "pairs": True,
    "crf": True,
    "scoring": True,
    "curve": True,
    "stored_maps": True,
    "ser_step": True,
    "loading": True,
    "start_up": True,
    "dag": False,
    "growth": True,
    "growth_images": False,
    "large_photographs": False,
    "full_size": False,
    "whole_run": False,
}
GPU = "on_gpu"
# The raw output of `on_gpu.py` on a machine with a GPU; the page has its rows.
GPU_OUTPUT = PAGE.parent / "benchmarks" / f"{GPU}.txt"
FIXED_ROWS = (
    (
        "the demo, `make demo`",
        "",
        "<= 10 minutes",
        "561 s with the installation, on a shared machine, see [results.md](results.md)",
        "",
    ),
)
INTRODUCTION = """# Benchmarks

`make bench` runs the scripts of `benchmarks/` and writes this page. Each script runs a function of
this package and a plain implementation of the formula, which it contains, alternately in one run.
It fails if their results differ. Only ratios within a run are meaningful, as the machine is shared.
Peak memory is the additional memory, measured in a separate process. Images are generated unless
`--images FOLDER` is given.
"""
NOTES = """
Notes:

- SER step: the target is for crops of 448 pixels. At 96 pixels the maps are so small compared with
  the network that little can be saved. Tried and not used: a fused optimiser (2 % faster),
  channels-last memory (PyTorch 2.11 corrupts memory in the backward pass of such convolutions on
  the CPU).
- Stored maps: a float32 file in memory is read at the speed of copying; decompression, the checksum
  and the conversion to float32 cost more. Values are float16 in steps of 1/256: with all of
  float16's steps a file is twice as large (for a small network's maps of photographs 1/2.9 of the
  uncompressed bytes, in steps 1/6.4), as LZ4 finds no repetitions. At alphas that are multiples of
  a step (.25, .5) a step's pixels tie with the background, which wins. Tried and not used: byte
  shuffling (1/4.1 without steps, but reversing it takes as long as LZ4), gzip (1/11, five times
  LZ4's time), Zstandard, Blosc, bit shuffling, LZF, smaller chunks, and bytes instead of float16.
- GPU stages: `python benchmarks/on_gpu.py --out docs/benchmarks --data FOLDER` measures all of them
  on a machine with a GPU, in eight minutes (`--seconds` gives it more or less); then
  `python benchmarks/page.py --only on_gpu` writes their rows here, and `docs/benchmarks/on_gpu.txt`
  has the rest of what was measured. It needs PyTorch with torchvision, and the wheels `timm`
  (1.0.31 or newer; what is older than `pyproject.toml` asks is named in the output), `lightning`,
  `h5py`, `scipy`, `pillow`, `pydantic`, `pyyaml`, `safetensors`, `tqdm` and `pytest`. A training
  writes TensorBoard's files: `tensorboard` as well. `hdf5plugin` is worth bringing, as files packed
  by LZ4 can only be read with it; without it files are packed by gzip. The CRF needs `pydensecrf2`,
  the workflow itself `snakemake`. `torch.compile` needs a C compiler.
- The rows above are of an NVIDIA H200, with timm 1.0.29. Channels last in memory and
  `cudnn.benchmark` make no difference to the SER step (117 to 118 ms a step of 16). In CAM
  inference the card was busy for 25 of an image's 49 ms; reading and resizing the photograph, some
  20 ms of a core, were in these as well (a stage's job does it beside the card). A fifth of the
  card's 25 ms are batch normalisation and ReLU, as kernels of their own. Random networks are
  measured, whose maps bf16 changes more than a trained one's (next paragraph); a tiny one's differ
  by .2 on a CPU too. The two failed tests compared gradients through batch statistics of a few
  cells, where rounding alone changes them by 7 %, and were given matrices that earlier tests had
  pretended; they now compare with frozen normalisation.
- On a CPU a small trained network's maps of photographs were within .03 of float32's in bf16, .002
  on average, and within .0024 in float16: so `recipes/half.yaml` infers in float16.
- Snakemake: what it is asked for counts most. Asking for shards that other jobs wait for, and
  `rules.NAME.output` of every shard, took half of its time and 75 MB more.
- The paper's whole run (the last section) is an estimate from one card's measured speed: 1.2 hours
  on one H200, 1.0 with `torch.compile`. Most of it is arithmetic, and DeepLab's 20,000 iterations
  alone are a third. The cores beside the card cost some minutes, as the CRF waits for maps. More
  cards help the trainings least: a batch of 8 or 10 fills few cards.
"""


def run(name: str, images: Path | None) -> tuple[str, bool]:
    """What a script printed, its error included, and whether it ended well."""
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    if images is not None and SCRIPTS[name]:
        command += ["--images", str(images)]
    started = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(FOLDER.parent)}
    print(f"{name} ...", flush=True)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    output = done.stdout
    if done.returncode:
        output += done.stderr[-2000:] + f"\n{ROW}`{name}.py` | | | **failed** | |"
    print(f"{output}\n{time.perf_counter() - started:.0f} s", flush=True)
    return output.strip(), done.returncode == 0


def kept(page: Path) -> dict[str, str]:
    """The scripts' outputs that a page has, by script."""
    if not page.exists():
        return {}
    sections = re.findall(r"^## (\w+)\.py\n\n```text\n(.*?)\n```$", page.read_text(), re.M | re.S)
    return dict(sections)


def gpu_rows() -> list[str]:
    """The rows that were measured on a GPU, if they were."""
    if not GPU_OUTPUT.exists():
        return [f"{ROW}GPU stages, `{GPU}.py` | | | not measured: no GPU | |"]
    return [line for line in GPU_OUTPUT.read_text().splitlines() if line.startswith(ROW)]


def write(outputs: dict[str, str], page: Path) -> None:
    """Write the page: all rows in one table, then each script's output as it is."""
    rows = [
        line.rstrip()
        for name in SCRIPTS
        for line in outputs.get(name, f"{ROW}`{name}.py` | | | not measured | |").splitlines()
        if line.startswith(ROW)
    ]
    rows += gpu_rows()
    rows += [f"{ROW}{' | '.join(cells)} |" for cells in FIXED_ROWS]
    head = [f"{ROW}{' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    text = INTRODUCTION + "\n" + "\n".join(head + rows) + "\n" + NOTES
    for name in SCRIPTS:
        if name in outputs:
            text += f"\n## {name}.py\n\n```text\n{outputs[name]}\n```\n"
    page.write_text(text)


def main() -> None:
    """Run what is asked for; the page is written after each script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*SCRIPTS, GPU], help="these scripts")
    parser.add_argument("--images", type=Path, help="folder of photographs")
    given = parser.parse_args()
    outputs = kept(PAGE) if given.only else {}
    failed = []
    for name in [name for name in given.only or SCRIPTS if name != GPU]:
        outputs[name], well = run(name, given.images)
        if not well:
            failed.append(name)
        write(outputs, PAGE)
    if given.only == [GPU]:
        write(outputs, PAGE)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
