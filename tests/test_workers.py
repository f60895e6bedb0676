"""Work beside the computing thread: its order, its limits, its errors, and the files it makes."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage_settings import SETTINGS, changed, stage_settings
from synthetic_run import make_split
from tiny_network import write_network
from worker_tasks import (
    call_for_ever,
    end_this_process,
    go_on_after_interrupt,
    is_running,
    note,
    refuse,
    wait_for,
)

from ssenet_core.affinity.inference import random_walk
from ssenet_core.cam.inference import infer_cam
from ssenet_core.compute import inference_needs
from ssenet_core.data.manifest import load_manifest
from ssenet_core.deeplab.inference import predict
from ssenet_core.errors import SSENetError
from ssenet_core.shard import Shard
from ssenet_core.storage import read_json
from ssenet_core.workers import AHEAD, later, read_ahead

CRF = {"iterations": 2}
INFERENCE = stage_settings("cam", {"inference": {"scales": [1.0, 0.5]}}).inference
WALK = stage_settings(
    "affinity",
    {
        "random_walk": {
            "steps_log2": 3,
            "radius": 2,
            "background": {"power": 16, "alpha": None},
            "crf": CRF,
        }
    },
).random_walk
PREDICTION = stage_settings(
    "deeplab", {"prediction": {"scales": [1.0, 0.5], "crf": CRF}}
).prediction


def test_without_workers_calls_are_made_at_once(tmp_path: Path) -> None:
    with later(0) as call:
        call(note, tmp_path / "a", "x")
        assert (tmp_path / "a").read_text() == f"x {os.getpid()}"


def test_workers_are_done_when_the_block_ends(tmp_path: Path) -> None:
    with later(2) as call:
        for name in "abcdefgh":
            call(note, tmp_path / name, name)
    texts = [(tmp_path / name).read_text().split() for name in "abcdefgh"]
    assert [text for text, _ in texts] == list("abcdefgh")
    assert str(os.getpid()) not in {process for _, process in texts}


def test_a_call_returns_before_it_is_done_unless_enough_wait(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with later(1) as call:
        call(wait_for, gate)  # begun
        call(wait_for, gate)  # waits
        opener = threading.Timer(0.2, gate.touch)
        opener.start()
        call(wait_for, gate)
        assert gate.exists()


def test_a_workers_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match="a: refused"), later(1) as call:
        call(refuse, tmp_path / "a")


def test_a_killed_worker_is_told() -> None:
    with (
        pytest.raises(SSENetError, match="one of 1 worker processes was killed"),
        later(1) as call,
    ):
        call(end_this_process)


def test_a_worker_leaves_an_interrupt_to_its_process(tmp_path: Path) -> None:
    with later(1) as call:
        call(go_on_after_interrupt, tmp_path / "done")
    assert (tmp_path / "done").exists()


def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path: Path) -> None:
    caller = multiprocessing.get_context("spawn").Process(
        target=call_for_ever, args=(tmp_path / "worker",)
    )
    caller.start()
    wait_for(tmp_path / "worker")
    worker = int((tmp_path / "worker").read_text())
    os.kill(caller.pid or 0, signal.SIGKILL)
    caller.join()
    deadline = time.monotonic() + 30
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_items_come_in_order_and_are_read_ahead() -> None:
    read: list[int] = []
    caught_up = threading.Event()

    def slow(item: int) -> int:
        read.append(item)
        if len(read) == 1 + AHEAD:
            caught_up.set()
        return item * 10

    found = read_ahead(slow, range(6))
    assert next(found) == 0
    assert caught_up.wait(60)  # while nothing more is asked for
    assert read == list(range(1 + AHEAD))
    assert [*found] == [10, 20, 30, 40, 50]
    assert read == list(range(6))


def test_an_error_comes_at_its_items_place() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise SSENetError("image 2 is damaged")
        return item

    found = read_ahead(read, range(5))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(SSENetError, match="image 2"):
        next(found)


@pytest.mark.parametrize("stage", ["infer_cam", "random_walk", "predict"])
def test_workers_do_not_change_the_files(tmp_path: Path, stage: str) -> None:
    split = make_split(tmp_path, "train", sizes=[(24, 30), (31, 17), (16, 16), (20, 22)])
    classes = load_manifest(split.manifest).classes
    kind, suffix = {
        "infer_cam": ("cam", ".h5"),
        "random_walk": ("affinity", ".png"),
        "predict": ("deeplab", ".png"),
    }[stage]
    checkpoint = write_network(tmp_path / "model.pt", kind, classes)
    stages: dict[str, Callable[..., None]] = {
        "infer_cam": lambda shard, **how: infer_cam(shard, INFERENCE, **how),
        "random_walk": lambda shard, **how: random_walk(shard, WALK, maps_dir=split.maps, **how),
        "predict": lambda shard, **how: predict(shard, PREDICTION, **how),
    }
    contents: list[Any] = []
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        files = [folder / f"{image}{suffix}" for image in split.ids]
        record = folder / "record.json"
        stages[stage](
            Shard(split.manifest, files, record, 3), checkpoint=checkpoint, workers=workers
        )
        assert read_json(record)["images"] == split.ids
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_inference_has_workers_where_it_has_a_gpu() -> None:
    compute = changed(SETTINGS.compute, {"gpus": 0, "inference_threads": 4, "shard_mem_mb": 2000})
    assert inference_needs(compute) == (1, 2000)
    threads, memory = inference_needs(changed(compute, {"gpus": 1}))
    assert threads == 4
    assert memory > 2000
