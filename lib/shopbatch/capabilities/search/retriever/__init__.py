"""Trains the encoder of a search on the shop's own queries: the job `finetune_retriever`."""
