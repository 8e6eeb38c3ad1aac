"""A run from arguments to exit code: job, report, page, charts, run key."""
