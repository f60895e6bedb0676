"""Scores of every stage that yields labels, all from one confusion matrix."""
