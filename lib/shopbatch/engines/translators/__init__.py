"""Engines that translate: a program, and sequence-to-sequence models."""
