"""The one exception for what a user can mend: names the file, the expected, the found."""


class SSENetError(Exception):
    """A fault of input, configuration or environment; its text is all that a user needs to see."""
