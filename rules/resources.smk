"""What jobs ask for."""


def growing(amount):
    """A resources function: an amount, as much again at each further attempt (`--retries`).

    Memory grows for a job that was killed for want of it. Time grows for one that starts from
    nothing; a training goes on where its time ran out, so its time stays.
    """
    return lambda wildcards, attempt: amount * attempt
