"""The results table: replicates, order, Markdown, plain text, and the command that prints it."""

import pytest
from evaluation_files import equivariance, evaluation

from ssenet_core.cli import main
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json
from ssenet_core.report.results import (
    base_variant,
    empty_table,
    equivariance_table,
    load_entries,
    load_equivariance,
    make_rows,
    markdown,
    results_json,
    results_lines,
    results_table,
)

CURVE = {"alpha": [0.1, 0.2], "miou": [40.0, 50.0], "best_alpha": 0.1, "best_miou": 55.0}
ENTRIES = [
    evaluation("deeplab", "ssenet/default/default", 70.0, split="val", tags_used=False),
    evaluation("cam", "ssenet", 50.0, alpha=0.2, curve=CURVE),
    evaluation("cam", "ssenet@1", 54.0, alpha=0.2, curve=CURVE | {"best_miou": 57.0}),
    evaluation("trivial", "tag", 20.0, mfn=None),
]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ssenet", "ssenet"),
        ("ssenet@12", "ssenet"),
        ("ssenet@1/default/default@1", "ssenet/default/default"),
        ("me@home", "me@home"),
    ],
)
def test_a_seed_is_not_part_of_the_variant(name, base):
    assert base_variant(name) == base


def test_replicates_are_one_row_with_mean_and_spread():
    rows = make_rows(ENTRIES)
    assert [row.stage for row in rows] == ["trivial", "cam", "deeplab"]
    cam = rows[1]
    assert cam.runs == ["ssenet", "ssenet@1"]
    assert (cam.miou.mean, cam.miou.n) == (52, 2)
    assert cam.miou.std == pytest.approx(8**0.5)  # sample: n - 1
    cells = results_table(rows).body
    assert cells[1][5:] == ["52.0 ± 2.8", "0.25 ± 0.00", "0.50 ± 0.00", "56.0 ± 1.4 (0.1)"]
    assert cells[0][6] == "∞"
    assert cam.iou == [52, None]


def test_markdown_has_every_row_and_says_what_was_chosen_on_the_truth():
    text = markdown(ENTRIES, "A run")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3 + 2 + 2
    widths = {line.replace("\\|", "").count("|") for line in table[:5]}
    assert widths == {9 + 1}
    assert "cat\\|dog" in text
    assert "chosen on the ground truth" in text
    assert "Judged on val (10 images, tags unknown to the network): DeepLab." in text


def test_the_terminal_table_is_the_same(tmp_path, capsys):
    path = tmp_path / "results.json"
    write_json(path, results_json(ENTRIES, title="A run", settings={}))
    lines = results_lines(path)
    assert lines[0] == "A run"
    assert any("52.0 ± 2.8" in line and line.startswith("CAM ") for line in lines)
    assert main(["results", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    (tmp_path / "run" / "report").mkdir(parents=True)
    path.rename(tmp_path / "run" / "report" / "results.json")
    assert results_lines(tmp_path / "run") == lines == results_lines(tmp_path / "run" / "report")


def found_in_empty(images: int, of_class: dict[str, int], some: int) -> dict:
    counts = {"images": images, "with_false_positives": some, "of_class": of_class}
    return {"empty_images": counts}


def test_false_positives_in_photographs_with_nothing_have_a_table(tmp_path):
    told = evaluation("cam", "ssenet", 50.0, **found_in_empty(9, {"cat": 0, "dog": 0}, 0))
    seeds = [
        evaluation("deeplab", name, 60.0, split="val", tags_used=False, **found)
        for name, found in (
            ("a/b/c", found_in_empty(7, {"cat": 4, "dog": 0}, 4)),
            ("a@1/b/c", found_in_empty(7, {"cat": 1, "dog": 1}, 2)),
        )
    ]
    header, body, _ = empty_table(make_rows([told, *seeds]))
    assert header[3:] == ["With nothing", "With a false positive", "Of class"]
    assert body == [["DeepLab", "a/b/c", "val", "7", "3.0 ± 1.4", "cat 2.5, dog 0.5"]]
    _, [one], _ = empty_table(make_rows([told, seeds[0]]))
    assert one[3:] == ["7", "4", "cat 4"]
    assert empty_table(make_rows([told, *ENTRIES])) is None  # told, or from before it was counted
    text = markdown([told, seeds[0]], "A run")
    assert "## Photographs with nothing in them\n\n| Stage |" in text
    assert "| DeepLab | a/b/c | val | 7 | 4 | cat 4 |" in text
    assert "Photographs with nothing" not in markdown([told], "A run")
    write_json(
        tmp_path / "results.json", results_json([told, seeds[0]], title="A run", settings={})
    )
    expected = (
        "Photographs with nothing in them on val: DeepLab a/b/c finds something in 4 of 7 (cat 4)."
    )
    assert expected in results_lines(tmp_path / "results.json")


def test_equivariance_has_a_column_a_network():
    entries = [
        equivariance("ssenet", 0.1, 0.2),
        equivariance("base", 0.3, 0.4),
        equivariance("ssenet@1", 0.2, 0),
    ]
    header, body, _ = equivariance_table(entries)
    assert header == ["Transform", "ssenet (train, 7 images)", "base (train, 7 images)"]
    assert body == [
        ["flip", "0.150 ± 0.071", "0.300"],
        ["rotate 5°", "–", "–"],
        ["mean", "0.100 ± 0.141", "0.400"],
    ]
    text = markdown(ENTRIES, "A run", entries)
    assert "corrected" not in text
    assert "\n2 corrected photographs: " in markdown(ENTRIES, "A run", entries, 2)
    assert "| flip | 0.150 ± 0.071 | 0.300 |" in text
    assert results_json(ENTRIES, "", {}, entries)["equivariance"] == entries


def test_other_files_are_no_measurements(tmp_path):
    write_json(tmp_path / "a.json", ENTRIES[0])
    with pytest.raises(SSENetError, match=r"a\.json: expected measurements"):
        load_equivariance([tmp_path / "a.json"])


def test_the_command_ends_an_error_in_one_line(tmp_path, capsys):
    path = tmp_path / "results.json"
    assert main(["results", str(path)]) == 1
    assert "results.json: no such file; give results/DATASET" in capsys.readouterr().err
    assert main(["results", str(tmp_path)]) == 1
    assert "results.json: no such file; give results/DATASET" in capsys.readouterr().err
    write_json(path, [1])
    assert main(["results", str(path)]) == 1
    assert "expected the results.json of a report" in capsys.readouterr().err


def test_foreign_and_mixed_evaluations_are_refused(tmp_path):
    for name, content in (("a", ENTRIES[0]), ("b", ENTRIES[1] | {"classes": ["x"]}), ("c", {})):
        write_json(tmp_path / name, content)
    with pytest.raises(SSENetError, match=r"b: expected the classes"):
        load_entries([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(SSENetError, match=r"c: expected an evaluation"):
        load_entries([tmp_path / "c"])
