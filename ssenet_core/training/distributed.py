"""What the processes of one training tell each other, by torch.distributed.

Each process has a share of every batch, and gradients are averaged over the processes. A loss that
is the mean over a batch's images needs nothing from here, as the shares are equally large. A mean
over something of which images have different numbers, such as labelled pixels, needs
`mean_over_processes`. A process that is alone has nothing to tell.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

Thing = TypeVar("Thing")


def process_count() -> int:
    """How many processes train this network."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def process_rank() -> int:
    """This process's number, from 0."""
    return distributed.get_rank() if process_count() > 1 else 0


def mean_over_processes(total: Tensor, count: Tensor) -> Tensor:
    """This process's share of a mean over all processes' items.

    With n processes it is n total / (all processes' count): the average over the processes, and so
    that of the gradients, is what one process finds on the whole batch, however the items are
    spread. Plain means of each process's own items would weigh an item by how few there are.

    Args:
        total: sum over this process's items, a scalar.
        count: how many these are, a scalar of whole numbers.

    Returns:
        A scalar; 0 where no process has an item.
    """
    processes = process_count()
    if processes == 1:
        return total / count.clamp(min=1)
    count = count.clone()
    distributed.all_reduce(count)
    return processes * total / count.clamp(min=1)


def all_reduce_mean(parts: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean over the processes of scalars that each has under the same names."""
    if process_count() == 1:
        return {name: float(part.detach()) for name, part in parts.items()}
    values = torch.stack([part.detach().double() for part in parts.values()])
    distributed.all_reduce(values)
    return dict(zip(parts, (values / process_count()).tolist(), strict=True))


def broadcast_object(thing: Thing) -> Thing:
    """The first process's `thing`, in all of them."""
    if process_count() == 1:
        return thing
    things = [thing]
    distributed.broadcast_object_list(things)
    return things[0]


def gather_objects(thing: Thing) -> list[Thing]:
    """Every process's `thing`, by rank."""
    if process_count() == 1:
        return [thing]
    things: list[Any] = [None] * process_count()
    distributed.all_gather_object(things, thing)
    return things
