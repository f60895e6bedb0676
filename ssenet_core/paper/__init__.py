"""The paper's tables and figures, made from a run's own results."""
