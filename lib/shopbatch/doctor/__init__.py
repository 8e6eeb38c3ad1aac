"""`shopbatch doctor`: finds what would make a run fail, before the run starts.

Some functions gather facts (disks, clocks, versions); the functions `judge_...` turn facts into findings.
"""
