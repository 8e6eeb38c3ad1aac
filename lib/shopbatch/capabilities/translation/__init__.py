"""Translations of products and replies, checked before they are shown: translate_products, translate_replies."""
