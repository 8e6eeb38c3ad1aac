"""What each user will want next: products to buy again, and products to discover."""
