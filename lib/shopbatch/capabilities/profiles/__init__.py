"""User profiles: daily tiles kept up to date with their sources, and one published table of features per user and day.

The entry point is `run.build_profiles`.
"""
