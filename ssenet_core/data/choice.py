"""A few of many, the same at every call."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, in their order, with even gaps; the first is among them."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]
