"""Learn from experiments which users buy more because of a campaign (job `train_uplift`)."""
