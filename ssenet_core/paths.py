"""Paths that come from a user: any text may stand where a file's name is expected."""

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is a plain file; no, too, for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
