"""Fine-tuning of models on a shop's tables, with one training loop for all objectives; jobs publish the results."""
