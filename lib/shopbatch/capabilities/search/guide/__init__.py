"""The shopping guide: requests in the shopper's words -> products that meet them, each with reasons and evidence."""
