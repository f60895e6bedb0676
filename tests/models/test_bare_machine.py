"""A machine that has PyTorch and little else can train and infer: nothing more is imported."""

import subprocess
import sys

ABSENT = ("snakemake", "pydensecrf", "hdf5plugin", "jinja2", "pycocotools")
USED = (
    "ssenet_core.affinity.inference",
    "ssenet_core.affinity.training",
    "ssenet_core.cam.inference",
    "ssenet_core.cam.training",
    "ssenet_core.settings",
    "ssenet_core.deeplab.inference",
    "ssenet_core.deeplab.training",
    "ssenet_core.segmenter",
)
SCRIPT = """
import importlib, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ImportError(name)

sys.meta_path.insert(0, Without())
for name in {used}:
    importlib.import_module(name)
"""


def test_networks_need_no_more_than_pytorch() -> None:
    script = SCRIPT.format(absent=ABSENT, used=USED)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
