"""The demo again and again from nothing, killed at random moments: the tables must not differ.

python tests/workflow/soak.py [--rounds 3] [--kills 20] [--longest 90] [--folder FOLDER]

A round takes what the demo takes, some ten minutes on two cores, and what the kills cost.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from kills import Workflow, running
from workflow_tree import REPOSITORY, SOURCES

RESULTS = Path("results/shapes/report/results.json")


def main() -> None:
    """Run the rounds; end with status 1 when two of them differ."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--kills", type=int, default=20, help="in all rounds together")
    options.add_argument("--longest", type=float, default=90, help="seconds between two kills")
    options.add_argument("--folder", type=Path, help="where to work; left behind")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        generator = random.Random(0)
        tables = []
        for number in range(given.rounds):
            kills = given.kills // given.rounds + (number < given.kills % given.rounds)
            tree = copied(folder / f"round{number}")
            tables.append(soaked(tree, kills, given.longest, generator))
            shutil.rmtree(tree / "results" / "shapes" / "cam")  # the largest part
        same = all(table == tables[0] for table in tables)
    print(f"{given.rounds} rounds, {given.kills} kills: tables {'equal' if same else 'DIFFER'}")
    sys.exit(0 if same else 1)


def copied(target: Path) -> Path:
    """The workflow's sources, without results."""
    target.mkdir(parents=True)
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return target


def soaked(tree: Path, kills: int, longest: float, generator: random.Random) -> Any:
    """The table of one demo that was killed `kills` times."""
    cores = len(os.sched_getaffinity(0))
    workflow = Workflow(tree, [sys.executable, "-m", "snakemake", "--cores", str(cores)])
    started = time.perf_counter()
    done = 0
    while done < kills:
        process = workflow.start()
        time.sleep(generator.uniform(5, longest))
        if process.poll() is not None:
            break  # it was done before
        victims = sorted(set(running(tree)))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while list(running(tree)):
            time.sleep(0.1)
        workflow.unlock()
        done += 1
        print(f"{tree.name}: killed {', '.join(victims) or 'between jobs'}", flush=True)
    workflow.finish()
    seconds = time.perf_counter() - started
    table = scores(json.loads((tree / RESULTS).read_text()))
    print(f"{tree.name}: {done} kills, {seconds:.0f} s, {len(table)} scores", flush=True)
    return table


def scores(results: Any, path: str = "") -> dict[str, Any]:
    """Every number and word of the results, by its place."""
    if isinstance(results, dict):
        parts = results.items()
    elif isinstance(results, list):
        parts = enumerate(results)
    else:
        return {path: results}
    return {
        place: value
        for key, part in parts
        for place, value in scores(part, f"{path}/{key}").items()
    }


if __name__ == "__main__":
    main()
