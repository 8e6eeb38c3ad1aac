"""The history of each user as one row, which training and recommending read. Entry point: `run.build_sequences`."""
