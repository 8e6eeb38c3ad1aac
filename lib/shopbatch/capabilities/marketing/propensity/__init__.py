"""What a user will probably do in the next 30 days: train_propensity and score_users."""
