"""The one exception for what a user can cause and mend: it names the file, what was expected and found."""


class SSENetError(Exception):
    """A fault of input, configuration or environment; its text is all that a user needs to see."""
