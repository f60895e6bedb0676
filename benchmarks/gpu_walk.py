"""The random walk and AffinityNet's pairs on a GPU against the CPU's: time and equality.

The walk of a photograph's scores at strides 8 and 4, by shifted slices and by a sparse matrix, and
the affinities of a training batch's pairs with their gradient and labels.
"""

from collections.abc import Callable

import torch
from cards import Card, list_kernels, said
from compare import row, verdict
from pairs import ours as pairs_work
from pairs import problem as pairs_problem
from walk import BETA, STEPS, problem, relative_error

from ssenet_core.affinity.random_walk import propagate

PLAIN, BOUND = "the CPU, one thread", "the same answers"
CLOSE = 1e-5


def walk(card: Card, stride: int) -> tuple[str, str]:
    """A row's words on the walk's times, and on the distance of its answers."""
    scores, affinities = problem(stride, card.images)
    there = scores.to(card.device), affinities.to(card.device)
    expected = propagate(scores, affinities, beta=BETA, steps=STEPS)
    slow = card.median(lambda: propagate(scores, affinities, beta=BETA, steps=STEPS))

    def on_card(way: str, sparse: bool) -> tuple[str, str]:
        def work() -> torch.Tensor:
            return propagate(*there, beta=BETA, steps=STEPS, sparse=sparse)

        error, fast = relative_error(work().cpu(), expected), card.median(work)
        print(
            f"walk, stride {stride}, {scores[0].numel()} cells: {1e3 * slow:.1f} ms on the CPU, "
            f"{1e3 * fast:.1f} ms by {way}, relative error {error:.1e}",
            flush=True,
        )
        return (
            f"{slow / fast:.1f} x by {way} ({1e3 * slow:.1f} to {1e3 * fast:.1f} ms)",
            f"relative error {error:.0e} (<= 1e-5): {verdict(error <= CLOSE)}",
        )

    words = []
    for way, sparse in (("slices", False), ("a sparse matrix", True)):
        name = f"walk, stride {stride}, by {way}"
        found = card.tried(name, lambda way=way, sparse=sparse: on_card(way, sparse))
        words.append(found or (f"by {way} {card.missing(name)}", ""))
    if stride == 8:
        list_kernels(card, "walk", lambda: propagate(*there, beta=BETA, steps=STEPS))
    measured, answers = zip(*words, strict=True)
    return "; ".join(measured), "; ".join(filter(None, answers))


def pairs(card: Card) -> tuple[str, str]:
    """A row's words on the pairs' times, and on the distance of affinities and gradients."""
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
    return (
        f"{slow / fast:.0f} x ({1e3 * slow:.0f} to {1e3 * fast:.1f} ms)",
        f"labels {'bitwise' if same else '**differ**'}, affinities to {error:.0e} (<= 1e-6), "
        f"gradients to {gradient_error:.0e}: "
        + verdict(same and error <= 1e-6 and gradient_error <= CLOSE),
    )


def measure(card: Card) -> None:
    """Pairs, and the walk at two strides."""
    torch.set_num_threads(1)
    works: dict[str, Callable[[], tuple[str, str]]] = {
        "pair affinities with gradient, and labels; GPU, 2 crops of 448": lambda: pairs(card),
        "random walk, GPU, 500 x 375, stride 8": lambda: walk(card, 8),
        "random walk, GPU, 500 x 375, stride 4": lambda: walk(card, 4),
    }
    for name, work in list(works.items())[: 2 if card.small else None]:
        measured, answer = card.tried(name, work) or (card.missing(name), "")
        row(name, PLAIN, BOUND, said(card, measured), answer)
