"""Translation of product texts and support replies, with checks: the jobs translate_products and translate_replies."""
