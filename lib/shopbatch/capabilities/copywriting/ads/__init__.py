"""Ads of products for segments of users, by channel (e-mail, push, SMS, ...): the job `run.write_ads`."""
