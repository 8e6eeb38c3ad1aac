"""Build the table `user_sequences`: each user's history as one row, read by training and recommending.

The entry point is `run.build_sequences`.
"""
