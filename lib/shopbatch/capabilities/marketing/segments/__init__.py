"""Segments of users that stay what they are until a user really changes: segment_users."""
