"""The places that name versions agree, and none names a registry."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def locked() -> dict[str, set[str]]:
    """Package to the versions that the lock has for it (one a Python version)."""
    versions: dict[str, set[str]] = {}
    lock = (ROOT / "requirements.lock").read_text()
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", lock, re.M):
        versions.setdefault(name.lower(), set()).add(version)
    return versions


def test_conda_files_have_the_locked_versions() -> None:
    environment = yaml.safe_load((ROOT / "envs" / "ssenet.yaml").read_text())
    pins = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    versions = locked()
    for pin in pins:
        name, version = pin.split("==")
        assert version in versions[name.lower()], pin
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", entry)[0] for entry in project["dependencies"]}
    pinned = {pin.split("==")[0] for pin in pins}
    assert {name for name in needed - pinned if not name.startswith("snakemake")} == set()


def test_the_lock_has_a_hash_for_everything_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.M)[1:]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock
