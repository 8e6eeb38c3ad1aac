"""The shopping guide: answers requests in the shopper's words with products, each with reasons and evidence."""
