"""Settings of all tests; this file also puts `tests/` on the path for helpers shared by folders."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REAL_DATA = Path(os.environ.get("SSENET_REAL_DATA", Path(__file__).parents[2] / "shared/data"))

# A busy machine is not a fault of the code under test.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture
def real_data() -> Path:
    """The folder of real photographs, which are no part of the project; skips without it."""
    if not (REAL_DATA / "msrc14").is_dir():
        pytest.skip(f"no real photographs at {REAL_DATA} (set SSENET_REAL_DATA)")
    return REAL_DATA
