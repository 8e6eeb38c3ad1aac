"""Search and shopping guide: what a shopper means, the products that fit, and why."""
