"""Customer service: what a ticket is about, and replies that say only what the facts say."""
