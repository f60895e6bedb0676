"""Configurations: another type at every place, values that YAML can write, hostile texts."""

import datetime
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from outcomes import COUNTS, OUTCOMES, many, tried

from ssenet_core.errors import SSENetError
from ssenet_core.settings import load

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())

Place = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every place in a configuration, sections before what is in them."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*path, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*path, key))


PLACES = list(places(DEFAULT))


def changed(place: Place, value: Any) -> dict[str, Any]:
    """The default configuration with one value replaced."""
    config: Any = deepcopy(DEFAULT)
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return config  # type: ignore[no-any-return]


def at(place: Place) -> Any:
    value: Any = DEFAULT
    for key in place:
        value = value[key]
    return value


def shown(place: Place) -> str:
    """A place as messages write it: run.chains[0].cam."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".")


def refused(kind: str, place: Place, value: Any, *named: str) -> bool:
    """Whether the configuration with `value` at `place` ends in an error that names `named`."""
    before = COUNTS[kind, OUTCOMES[1]]
    tried(kind, lambda: load(changed(place, value)), *named)
    return COUNTS[kind, OUTCOMES[1]] > before


def other_types(value: Any) -> list[Any]:
    """Values that are right nowhere where `value` is."""
    if isinstance(value, dict):
        return [7, "text", ["x"], True]
    if isinstance(value, list):
        return [7, "text", True, {"x": 1}]
    return [{"x": 1}, [["x"]], datetime.date(2020, 1, 1), b"bytes", float("nan")]


@pytest.mark.parametrize("section", DEFAULT)
def test_another_type_is_named_with_its_path(section: str) -> None:
    for place in [place for place in PLACES if place[0] == section]:
        for value in other_types(at(place)):
            assert refused("configurations, another type", place, value, shown(place)), place


@pytest.mark.parametrize("section", DEFAULT)
def test_an_unknown_and_a_missing_key_are_named(section: str) -> None:
    sections = [place for place in PLACES if place[0] == section and isinstance(at(place), dict)]
    for place in sections:
        value = at(place)
        strange = {**value, "surprise\n": 1}
        assert refused("configurations, another key", place, strange, shown(place)), place
        for key in value:
            rest = {name: value[name] for name in value if name != key}
            tried("configurations, a key less", lambda r=rest, p=place: load(changed(p, r)))


NUMBERS = [10**400, -(10**20), 3.0, -0.0, 1e308]
ODD = ["shapes\n", "a\0b", "\ud800", "x" * 5000, "../up", "cam:ssenet", "@", f"a@{'9' * 50}"]
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=3),
    st.sampled_from([*NUMBERS, *ODD]),
)
KEYS = st.one_of(st.text(max_size=4), st.integers())
ANY = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=4,
)
LOOKS_LIKE_YAML = st.from_regex(r"[-0-9:.e_x\[{]{1,12}", fullmatch=True)


@many
@given(st.sampled_from(PLACES), ANY)
def test_any_value_anywhere(place: Place, value: Any) -> None:
    tried("configurations, any value", lambda: load(changed(place, value)))


@many
@given(
    st.sampled_from(PLACES),
    st.one_of(st.sampled_from(ODD), st.text(max_size=20), LOOKS_LIKE_YAML),
)
def test_any_text_from_the_command_line(place: Place, text: str) -> None:
    tried("configurations, text", lambda: load(changed(place, text)))


TEXTS = [
    "2020-99-99",
    "0x_",
    "0b",
    "[" * 5000,
    "!!python/object/apply:os.system [x]",
    "*a",
    "9" * 5000,
    "? ?",
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:9])
def test_texts_that_yaml_stumbles_over(text: str) -> None:
    assert (
        tried("configurations, text", lambda: load(changed(("run", "seeds"), text)), "run.seeds")
        is None
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cam", "defaults", "epochs"), 3.5),
        (("cam", "defaults", "crop"), "96.5"),
        (("cam", "defaults", "optimizer", "lr"), float("inf")),
        (("cam", "defaults", "optimizer", "lr"), float("nan")),
        (("refine", "alpha"), float("nan")),
        (("cam", "defaults", "epochs"), True),
        (("dataset", "name"), "shapes\n"),
        (("dataset", "name"), ".."),
        (("dataset", "name"), "a/b"),
        (("dataset", "root"), "photos\0"),
        (("run", "cams"), ["ssenet@4294967296"]),
        (("run", "cams"), ["ssenet\n"]),
        (("run", "chains", 0, "cam"), "../../up"),
        (("download", "weights"), {"../up.pth": {"url": None}}),
        (("cam", "variants"), {"../up": {}}),
        (("cam", "variants"), {"ssenet\n": {}}),
    ],
)
def test_what_would_fail_later_or_lead_elsewhere_is_refused(place: Place, value: Any) -> None:
    assert refused("configurations, odd values", place, value, shown(place[:2]))


def test_a_wrong_name_of_a_variant_is_said_and_nothing_else_changes() -> None:
    config = changed(("cam", "variants", "a b"), {})
    message = r"cam\.variants\['a b'\]: found 'a b', allowed: letters, digits and \. _ - only"
    with pytest.raises(SSENetError, match=message) as caught:
        load(config)
    assert str(caught.value).count("\n") == 1
