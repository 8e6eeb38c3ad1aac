"""Checks that generated text states only known facts: product copy (`check.check`) and replies (`replies.check_reply`).

The checks are rules over word lists (the YAML files of this folder); they call no language model.
"""
