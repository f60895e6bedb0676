"""The random walk against its dense matrix power, and against one sparse product a step.

The dense way writes the transition matrix T of N x N, squares it eight times and multiplies once;
the sparse way multiplies the scores by SciPy's T 256 times. Each builds its matrix within its time.

    python benchmarks/walk.py [--runs 5] [--images FOLDER]
"""

from pathlib import Path

import numpy as np
import torch
from compare import Work, median_seconds, must, options, peak_memory, row, verdict
from inputs import HEIGHT, RADIUS, WIDTH, affinities, class_maps, photograph
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from ssenet_core.affinity.pairs import offsets
from ssenet_core.affinity.random_walk import propagate
from ssenet_core.scores import block_average, constant_background, with_background

BETA, SQUARINGS = 8, 8
STEPS = 2**SQUARINGS


def problem(stride: int, folder: Path | None) -> tuple[Tensor, Tensor]:
    """Scores of three classes and the background (4, h, w), and affinities (pairs, h, w)."""
    cells = block_average(class_maps(), stride)
    scores = with_background(cells, constant_background(cells, 0.2))
    return torch.from_numpy(scores), affinities(photograph(folder=folder), stride)


def neighbours(pairs: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64], Tensor]:
    """Both cells of every pair, as places in the flattened grid, and the pair's affinity."""
    _, height, width = pairs.shape
    cells = np.arange(height * width).reshape(height, width)
    first, second, values = [], [], []
    for place, (down, right) in enumerate(offsets(RADIUS)):
        rows, low, high = height - down, max(0, -right), width - max(0, right)
        first.append(cells[:rows, low:high].ravel())
        second.append(cells[down:, low + right : high + right].ravel())
        values.append(pairs[place, :rows, low:high].ravel())
    return np.concatenate(first), np.concatenate(second), torch.cat(values)


def dense(scores: Tensor, pairs: Tensor, squarings: int = SQUARINGS) -> Tensor:
    """scores · T^(2^squarings), with T of all cells by all cells."""
    first, second, values = neighbours(pairs)
    matrix = torch.eye(scores[0].numel(), dtype=scores.dtype)
    matrix[first, second] = matrix[second, first] = values.to(scores.dtype) ** BETA
    matrix /= matrix.sum(dim=0)
    for _ in range(squarings):
        matrix = matrix @ matrix
    return (scores.flatten(1) @ matrix).reshape(scores.shape)


def products(scores: Tensor, pairs: Tensor) -> Tensor:
    """scores · T^256, one product with a sparse T at a time, in float64."""
    first, second, values = neighbours(pairs)
    cells = scores[0].numel()
    powers = values.double().numpy() ** BETA
    here, there = np.concatenate([first, second]), np.concatenate([second, first])
    matrix = sparse.csr_matrix((np.tile(powers, 2), (here, there)), (cells, cells))
    matrix += sparse.identity(cells, format="csr")
    matrix = (matrix @ sparse.diags(1 / matrix.sum(axis=0).A1)).T.tocsr()
    columns = scores.flatten(1).T.double().numpy().copy()
    for _ in range(STEPS):
        columns = matrix @ columns
    return torch.from_numpy(columns.T.astype(np.float32)).reshape(scores.shape)


def ours(scores: Tensor, pairs: Tensor) -> Tensor:
    return propagate(scores, pairs, beta=BETA, steps=STEPS)


def prepared(way: str, stride: int, folder: Path | None) -> Work:
    """One way's work, for the process that measures its memory."""
    torch.set_num_threads(1)
    given = problem(stride, folder)
    if way == "dense, one squaring":  # it holds what eight hold
        return lambda: dense(*given, squarings=1)
    work = {"dense": dense, "ours": ours, "products": products}[way]
    work(*(part[:, :9, :9].contiguous() for part in given))  # the libraries' own memory
    return lambda: work(*given)


def relative_error(found: Tensor, expected: Tensor) -> float:
    difference = (found.double() - expected.double()).flatten(1).norm(dim=1)
    return float((difference / expected.double().flatten(1).norm(dim=1)).max())


def main() -> None:
    """Measure both claims and the memory at two strides."""
    given = options(__doc__, runs=5).parse_args()
    folder = given.images
    torch.set_num_threads(1)
    # T's powers hold numbers too small for normal ones, which would hold the dense way up.
    torch.set_flush_denormal(True)
    scores, pairs = problem(8, folder)
    print(f"{WIDTH} x {HEIGHT} pixels, stride 8: {scores[0].numel()} cells, {len(scores)} scores")
    exact = dense(scores.double(), pairs)
    errors = {
        name: relative_error(way(scores, pairs), exact)
        for name, way in (("dense", dense), ("products", products), ("ours", ours))
    }
    print("relative error to the dense power in float64:", errors)
    must(errors["ours"] <= 1e-5 and errors["products"] <= 1e-5, f"relative errors {errors}")
    slow, fast = median_seconds(
        lambda: dense(scores, pairs), lambda: ours(scores, pairs), runs=given.runs
    )
    memory = {way: peak_memory(prepared, way, 8, folder) for way in ("dense", "ours", "products")}
    finer = {
        way: peak_memory(prepared, way, 4, folder)
        for way in ("dense, one squaring", "ours", "products")
    }
    print(f"dense {slow:.3f} s, ours {fast:.4f} s; MiB at stride 8 {memory}, at stride 4 {finer}")
    ratio, share = slow / fast, memory["dense"] / memory["ours"]
    row(
        "random walk, 500 x 375, stride 8, 3 classes and background",
        "dense T, eight squarings, one product (float32)",
        ">= 35 x faster, <= 1/20 of the memory; stride 4 within 1 GB",
        f"{ratio:.0f} x ({slow:.2f} s to {1e3 * fast:.0f} ms), 1/{share:.1f} of the memory "
        f"({memory['dense']:.0f} to {memory['ours']:.1f} MiB); stride 4 in {finer['ours']:.0f} "
        f"instead of {finer['dense, one squaring']:.0f} MiB: "
        + verdict(ratio >= 35 and share >= 20 and finer["ours"] < 1000),
        f"relative error {errors['ours']:.0e} (<= 1e-5)",
    )
    steps, fast = median_seconds(
        lambda: products(scores, pairs), lambda: ours(scores, pairs), runs=2 * given.runs
    )
    row(
        "the same, further",
        "256 sparse products (SciPy CSR, float64)",
        "2 x faster",
        f"{steps / fast:.1f} x ({1e3 * steps:.0f} to {1e3 * fast:.0f} ms): "
        + verdict(steps / fast >= 2),
        f"relative error {errors['ours']:.0e} (<= 1e-5)",
    )


if __name__ == "__main__":
    main()
