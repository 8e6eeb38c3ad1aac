"""Tests of growth."""
