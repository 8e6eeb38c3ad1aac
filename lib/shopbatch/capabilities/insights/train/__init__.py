"""Trains the model `aspects` (the job train_aspects): examples, fitting, cross-validation, gates and report."""
