"""The job distil_encoder: a small sentiment model (student) learns from a large one (teacher)."""
