"""Runs jobs on a Ray cluster: `submit` sends a job under a run key, and follows, cancels or resumes it."""
