"""Predict what users will do in the next 30 days: buy, lapse, spend (jobs `train_propensity` and `score_users`)."""
