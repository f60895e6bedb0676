"""A SLURM cluster for the tests of a folder, and what they need to use it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_node_slurm import Cluster, NoSlurm


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of one node; where there can be none, its tests are skipped."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # short, for the socket's path
        found = Cluster(Path(folder))
        try:
            found.start()
            yield found
        except NoSlurm as reason:
            pytest.skip(f"no SLURM here: {reason}")
        finally:
            found.stop()
