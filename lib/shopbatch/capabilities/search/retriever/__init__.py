"""The encoder of a search, trained on the shop's own queries: finetune_retriever."""
