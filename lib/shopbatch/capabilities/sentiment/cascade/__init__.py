"""A small model answers where it is sure, the large one the rest: train_cascade, and an option of score_reviews."""
