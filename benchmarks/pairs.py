"""AffinityNet's pairs by slices of the grid against lists of indices and gathers.

One training batch: features of crops of 448 pixels at stride 8, and labels of their cells. The
plain way holds both ends of every pair as indices, made once, gathers the features, and compares.
Measured are the affinities with their gradient, and which pairs are of which kind.

    python benchmarks/pairs.py [--runs 5]
"""

import torch
from compare import Work, median_seconds, must, options, peak_memory, row, verdict
from inputs import RADIUS
from torch import Tensor

from ssenet_core.affinity.labels import pair_labels
from ssenet_core.affinity.pairs import offsets, pair_affinities
from ssenet_core.io.images import VOID

BATCH, CHANNELS, CELLS = 2, 448, 448 // 8


def problem() -> tuple[Tensor, Tensor]:
    """Features (batch, channels, h, w) and labels (batch, h, w) uint8."""
    torch.manual_seed(0)
    features = torch.randn(BATCH, CHANNELS, CELLS, CELLS)
    labels = torch.randint(0, 4, (BATCH, CELLS, CELLS), dtype=torch.uint8)
    labels[torch.rand(labels.shape) < 0.3] = VOID
    return features, labels


def index_lists() -> tuple[Tensor, Tensor, Tensor]:
    """Cells of the pairs' two ends, and each pair's place in the layout (pairs, h, w); flat."""
    first, second, places = [], [], []
    cells = torch.arange(CELLS * CELLS).reshape(CELLS, CELLS)
    for number, (down, right) in enumerate(offsets(RADIUS)):
        low, high = max(0, -right), CELLS - max(0, right)
        here = cells[: CELLS - down, low:high].flatten()
        first.append(here)
        second.append(cells[down:, low + right : high + right].flatten())
        places.append(here + number * CELLS * CELLS)
    return torch.cat(first), torch.cat(second), torch.cat(places)


def gathered_affinities(features: Tensor, first: Tensor, second: Tensor) -> Tensor:
    flat = features.flatten(2)
    difference = flat.index_select(2, first) - flat.index_select(2, second)
    return torch.exp(-difference.abs().mean(dim=1))


def gathered_labels(labels: Tensor, first: Tensor, second: Tensor) -> list[Tensor]:
    flat = labels.flatten(1)
    here, there = flat.index_select(1, first), flat.index_select(1, second)
    known = (here != VOID) & (there != VOID)
    same = (here == there) & known
    return [same & (here == 0), same & (here != 0), known & ~same]


def plain(features: Tensor, labels: Tensor, lists: tuple[Tensor, Tensor, Tensor]) -> Work:
    """Affinities and kinds of all pairs, and the gradient of the affinities' sum."""

    def work() -> tuple[Tensor, list[Tensor], Tensor]:
        leaf = features.detach().requires_grad_()
        found = gathered_affinities(leaf, *lists[:2])
        kinds = gathered_labels(labels, *lists[:2])
        found.sum().backward()
        return found.detach(), kinds, leaf.grad

    return work


def ours(features: Tensor, labels: Tensor) -> Work:
    def work() -> tuple[Tensor, list[Tensor], Tensor]:
        leaf = features.detach().requires_grad_()
        found = pair_affinities(leaf, RADIUS)
        kinds = list(pair_labels(labels, RADIUS))
        found.sum().backward()
        return found.detach(), kinds, leaf.grad

    return work


def prepared(way: str) -> Work:
    """One way's work, for the process that measures its memory."""
    torch.set_num_threads(1)
    small = torch.rand(1, CHANNELS, 6, 6, requires_grad=True)
    pair_affinities(small, RADIUS).sum().backward()  # the library's own memory
    features, labels = problem()
    if way == "plain":
        return lambda: plain(features, labels, index_lists())()  # the lists are part of it
    return ours(features, labels)


def main() -> None:
    """Compare the answers, the times and the memory."""
    given = options(__doc__).parse_args()
    torch.set_num_threads(1)
    features, labels = problem()
    lists = index_lists()
    expected, kinds, gradient = plain(features, labels, lists)()
    found, found_kinds, found_gradient = ours(features, labels)()
    error = float((found.flatten(1)[:, lists[2]] - expected).abs().max())
    gradient_error = float((found_gradient - gradient).abs().max() / gradient.abs().max())
    same = all(
        torch.equal(a.flatten(1)[:, lists[2]], b) and a.sum() == b.sum()
        for a, b in zip(found_kinds, kinds, strict=True)
    )
    print(
        f"batch {BATCH}, {CHANNELS} channels, {CELLS} x {CELLS} cells, {len(lists[0])} pairs: "
        f"affinities differ by {error:.1e}, gradients by {gradient_error:.1e} of the largest"
    )
    must(same, "labels of pairs")
    must(error <= 1e-6 and gradient_error <= 1e-5, "affinities of pairs")
    slow, fast = median_seconds(
        plain(features, labels, lists), ours(features, labels), runs=given.runs
    )
    alone = median_seconds(
        lambda: gathered_labels(labels, *lists[:2]),
        lambda: pair_labels(labels, RADIUS),
        runs=given.runs,
    )
    with torch.no_grad():
        forward = median_seconds(
            lambda: gathered_affinities(features, *lists[:2]),
            lambda: pair_affinities(features, RADIUS),
            runs=given.runs,
        )
    memory = [peak_memory(prepared, way) for way in ("plain", "ours")]
    print(f"labels alone: {alone[0] / alone[1]:.1f} x ({1e3 * alone[1]:.1f} ms)")
    print(f"affinities without a gradient: {forward[0] / forward[1]:.1f} x ({forward[1]:.3f} s)")
    ratio, share = slow / fast, memory[0] / memory[1]
    row(
        "pair affinities with gradient, and labels; 2 crops of 448",
        "index lists and gathers",
        ">= 3 x faster, <= 1/3 of the memory",
        f"{ratio:.1f} x ({slow:.2f} to {fast:.2f} s), 1/{share:.1f} of the memory "
        f"({memory[0]:.0f} to {memory[1]:.0f} MiB): " + verdict(ratio >= 3 and share >= 3),
        f"labels bitwise, affinities to {error:.0e} (<= 1e-6)",
    )


if __name__ == "__main__":
    main()
