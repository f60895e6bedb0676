"""The random walk and AffinityNet's pairs on a GPU against the CPU's: time and equality.

The walk of a photograph's scores at strides 8 and 4, by shifted slices and by a sparse matrix, and
the affinities of a training batch's pairs with their gradient and labels.

    python benchmarks/gpu_walk.py [--small] [--images FOLDER]
"""

import torch
from cards import Card, card_options, list_kernels, said
from compare import row, verdict
from pairs import ours as pairs_work
from pairs import problem as pairs_problem
from walk import BETA, STEPS, problem, relative_error

from ssenet_core.affinity.walk import propagate

STAGE = "random walk and pairs, GPU"
PLAIN, BOUND = "the CPU, one thread", "the same answers"
CLOSE = 1e-5


def walk(card: Card, stride: int, folder: object) -> None:
    """The walk's times and the distance of its answers."""
    scores, affinities = problem(stride, folder)  # type: ignore[arg-type]
    there = scores.to(card.device), affinities.to(card.device)
    expected = propagate(scores, affinities, beta=BETA, steps=STEPS)
    slow = card.median(lambda: propagate(scores, affinities, beta=BETA, steps=STEPS))
    found: dict[str, tuple[float, float]] = {}

    def measure(name: str, sparse: bool) -> None:
        def work() -> torch.Tensor:
            return propagate(*there, beta=BETA, steps=STEPS, sparse=sparse)

        error = relative_error(work().cpu(), expected)
        found[name] = card.median(work), error
        print(
            f"walk, stride {stride}, {scores[0].numel()} cells: {1e3 * slow:.1f} ms on the CPU, "
            f"{1e3 * found[name][0]:.1f} ms by {name}, relative error {error:.1e}",
            flush=True,
        )

    for name, sparse in (("slices", False), ("a sparse matrix", True)):
        card.tried(f"walk by {name}", lambda name=name, sparse=sparse: measure(name, sparse))
    if stride == 8:
        list_kernels(card, "walk", lambda: propagate(*there, beta=BETA, steps=STEPS))
    row(
        f"random walk, GPU, 500 x 375, stride {stride}",
        PLAIN,
        BOUND,
        said(
            card,
            "; ".join(
                f"{slow / seconds:.1f} x by {name} ({1e3 * slow:.1f} to {1e3 * seconds:.1f} ms)"
                for name, (seconds, _) in found.items()
            )
            or "**failed**",
        ),
        "; ".join(
            f"relative error {error:.0e} (<= 1e-5): {verdict(error <= CLOSE)}"
            for _, error in found.values()
        ),
    )


def pairs(card: Card) -> None:
    """The pairs' times and the distance of affinities, labels and gradients."""
    features, labels = pairs_problem()
    here, there = (
        pairs_work(features, labels),
        pairs_work(features.to(card.device), labels.to(card.device)),
    )
    expected, kinds, gradient = here()  # type: ignore[misc]
    found, found_kinds, found_gradient = there()  # type: ignore[misc]
    error = float((found.cpu() - expected).abs().max())
    gradient_error = float((found_gradient.cpu() - gradient).abs().max() / gradient.abs().max())
    same = all(torch.equal(a.cpu(), b) for a, b in zip(found_kinds, kinds, strict=True))
    slow, fast = card.median(here), card.median(there)
    print(
        f"pairs: {1e3 * slow:.1f} ms on the CPU, {1e3 * fast:.2f} ms; affinities differ by "
        f"{error:.1e}, gradients by {gradient_error:.1e} of the largest, labels equal: {same}",
        flush=True,
    )
    row(
        "pair affinities with gradient, and labels; GPU, 2 crops of 448",
        PLAIN,
        BOUND,
        said(card, f"{slow / fast:.0f} x ({1e3 * slow:.0f} to {1e3 * fast:.1f} ms)"),
        f"labels {'bitwise' if same else '**differ**'}, affinities to {error:.0e} (<= 1e-6), "
        f"gradients to {gradient_error:.0e}: "
        + verdict(same and error <= 1e-6 and gradient_error <= CLOSE),
    )


def main() -> None:
    """Pairs, and the walk at two strides."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND)
    torch.set_num_threads(1)
    card.tried("pairs", lambda: pairs(card))
    for stride in (8,) if card.small else (8, 4):
        card.tried(f"walk, stride {stride}", lambda stride=stride: walk(card, stride, given.images))


if __name__ == "__main__":
    main()
