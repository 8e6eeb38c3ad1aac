"""Erases persons from a warehouse: `erase` does it, `scanner` proves it, `records` remembers it without their names."""
