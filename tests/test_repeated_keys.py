"""Repeated keys in one configuration file."""

from pathlib import Path

import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.settings import refuse_repeated_keys


def test_a_repeated_key_is_named_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("cam:\n  defaults: {epochs: 1}\n  # ...\n  defaults:\n    epochs: 2\nrun: {}\n")
    with pytest.raises(SSENetError) as caught:
        refuse_repeated_keys([path, path])
    lines = str(caught.value).splitlines()
    assert lines[1:] == [f"  {path}: line 4: cam.defaults is in line 2 too"]


def test_repeated_keys_of_lists_and_of_several_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [{b: 1, b: 2}]\n")
    (tmp_path / "b.json").write_text('{"c": 1,\n "c": {"d": 1, "d": 2}}')
    with pytest.raises(SSENetError) as caught:
        refuse_repeated_keys([tmp_path / "a.yaml", tmp_path / "b.json"])
    message = str(caught.value)
    for said in ("a.yaml: line 1: a[0].b", "b.json: line 2: c is in line 1", "b.json: line 2: c.d"):
        assert said in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\nb: {a: 1}\n",
        "- 1\n- 1\n",
        "one: &one {a: 1}\ntwo: {<<: *one}\n",
        "a: &a [*a, *a]\n",
        "a: [",
        "[" * 5000,
        "\x00",
    ],
)
def test_other_files_pass(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    refuse_repeated_keys([tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path])


def test_the_projects_own_files_pass() -> None:
    root = Path(__file__).parents[1]
    files = [root / "config.yaml", *root.glob("recipes/*.yaml"), *root.glob("tests/**/*.yaml")]
    assert len(files) > 3
    refuse_repeated_keys(files)
