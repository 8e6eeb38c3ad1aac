"""Ads of products for segments of users: write_ads."""
