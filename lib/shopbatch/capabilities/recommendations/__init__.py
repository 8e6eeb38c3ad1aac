"""Recommend products to each user: products to buy again (`buy_again`) and new products (`discover`)."""
