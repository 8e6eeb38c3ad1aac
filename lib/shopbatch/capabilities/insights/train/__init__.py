"""Learning what clauses are about: the job train_aspects."""
