"""Runs jobs on a Ray cluster: submits a job under a run key, and follows, cancels or resumes its run."""
