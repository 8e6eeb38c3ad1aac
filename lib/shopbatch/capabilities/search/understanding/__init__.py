"""Understands a shopper's query by rules: the product type, the conditions, and the words left to search for.

The rules are data (`en.yaml`, `zh.yaml`, `types.yaml`); no model is used.
"""
