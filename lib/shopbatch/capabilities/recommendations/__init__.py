"""Recommendations: what each user will want next, from what all users did."""
