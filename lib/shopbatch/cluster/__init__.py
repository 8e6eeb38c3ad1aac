"""WHERE IT RUNS WHEN NOT HERE: a job sent to a Ray cluster under a run key. `submit.py` is the door."""
