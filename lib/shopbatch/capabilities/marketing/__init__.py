"""Whom to address with what: segments of users, and what they will probably do next."""
