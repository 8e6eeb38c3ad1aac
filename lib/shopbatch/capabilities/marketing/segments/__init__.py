"""Segment users by rules under which nobody moves until the behaviour really changes (job `segment_users`)."""
