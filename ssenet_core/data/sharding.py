"""Which job handles which image: an image stays in its shard when others come or go.

In: image ids and a number of shards. Out: shard numbers, or the ids of each shard. Fails with
ValueError on fewer than one shard.
"""

import hashlib
from collections.abc import Iterable


def shard_of(image_id: str, shards: int) -> int:
    """The shard of an image, 0 to shards - 1: a hash of its id, the same on every machine."""
    if shards < 1:
        raise ValueError(f"expected at least one shard, found {shards}")
    digest = hashlib.blake2b(image_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


def shard_ids(ids: Iterable[str], shards: int) -> list[list[str]]:
    """The ids of each shard, in their given order; with few ids some shards are empty."""
    parts: list[list[str]] = [[] for _ in range(shards)]
    for image_id in ids:
        parts[shard_of(image_id, shards)].append(image_id)
    return parts
