"""A few of many: in order, without repeats, evenly apart."""

import pytest

from ssenet_core.data.choice import evenly_spaced


@pytest.mark.parametrize("length", [1, 2, 7, 100])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_gaps_differ_by_one_at_the_most(length: int, count: int) -> None:
    chosen = evenly_spaced(range(length), count)
    assert len(chosen) == min(count, length)
    gaps = [after - before for before, after in zip([*chosen], [*chosen[1:], length], strict=True)]
    assert chosen[0] == 0
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


def test_there_may_be_none() -> None:
    assert evenly_spaced([], 3) == evenly_spaced(["a"], 0) == []
