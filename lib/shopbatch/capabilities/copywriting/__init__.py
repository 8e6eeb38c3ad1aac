"""Product copy: prompt, rules that copy must pass, coverage, estimate and report. The entry point is `run.describe`."""
