"""Data sets: what images there are, what is known of each, and the generated `shapes` set."""
