"""What the stages pass on to each other, as files: each is either whole or absent.

`files` writes atomically and holds JSON and checksums, `images` photographs and label pictures,
`maps` class activation maps and dense CRF posteriors.
"""
