"""Build user profiles: one published row of features per user and day, computed from daily tiles.

A tile holds the sums of one user's day, and a profile is computed from sums of tiles. The tiles are kept up to date
with their sources. The job `build_user_profiles` enters at `run.build_profiles`.
"""
