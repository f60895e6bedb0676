"""What the stages pass on to each other, as files: each is either whole or absent.

`files` has atomic writes, text, JSON and checksums; `images` photographs and label PNGs; `maps`
class activation maps and dense CRF posteriors; `tensors` checkpoints.
"""
