"""Shards: a partition of the images that others' coming and going leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.data.sharding import shard_ids, shard_of

ids = st.lists(st.text(max_size=8), max_size=40, unique=True)
counts = st.integers(1, 20)


@given(ids, counts)
def test_shards_partition_the_ids(ids: list[str], shards: int) -> None:
    parts = shard_ids(ids, shards)
    assert len(parts) == shards
    assert sorted(image_id for part in parts for image_id in part) == sorted(ids)
    for shard, part in enumerate(parts):
        assert part == [image_id for image_id in ids if shard_of(image_id, shards) == shard]


@given(ids, counts, st.text(max_size=8))
def test_a_new_image_changes_its_own_shard_only(ids: list[str], shards: int, new: str) -> None:
    before = shard_ids([image_id for image_id in ids if image_id != new], shards)
    after = shard_ids([*(image_id for image_id in ids if image_id != new), new], shards)
    changed = [shard for shard in range(shards) if before[shard] != after[shard]]
    assert changed == [shard_of(new, shards)]


def test_shards_are_of_similar_size() -> None:
    sizes = [len(part) for part in shard_ids([f"2007_{k:06d}" for k in range(14400)], 144)]
    assert min(sizes) > 60
    assert max(sizes) < 150


def test_there_is_a_shard_at_least() -> None:
    with pytest.raises(ValueError, match="at least one shard"):
        shard_of("a", 0)
