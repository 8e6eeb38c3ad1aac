"""Marketing: segments and forecasts of users, campaign plans, and measurements of what a campaign caused."""
