"""Measure and reduce the bias of sentiment models: how much a score depends on the person named in a sentence.

`run` is the sentiment part of the job audit_bias, `gate` the check that every job makes before it publishes a sentiment
model, and `steady` the penalty on bias that training uses. All of them score the sentences of `probe`.
"""
