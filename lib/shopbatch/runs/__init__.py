"""Runs one job from its command-line arguments to its exit code, and writes its report (report.json, report.html)."""
