"""The run and the report that the tests here share."""

import pytest
from report_run import build, make_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Arguments of `build_report`."""
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def report(run, tmp_path_factory):
    """The folder of the report."""
    folder = tmp_path_factory.mktemp("report")
    build(run, folder)
    return folder
