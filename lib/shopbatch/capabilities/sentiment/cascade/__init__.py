"""Cascades: a small sentiment model answers where it is sure, and a large one the rest, which is faster.

Used by the job train_cascade, and by score_reviews with the option `cascade`.
"""
