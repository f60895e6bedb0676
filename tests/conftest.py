"""Settings of all tests; this file also puts `tests/` on the path for helpers shared by folders."""

from hypothesis import settings

# A busy machine is not a fault of the code under test.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
