"""Does a sentiment model judge a sentence by who stands in it? The job audit_bias, a gate, and what training does."""
