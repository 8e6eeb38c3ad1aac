"""The sentiment of reviews: the jobs score_reviews, train_sentiment_head and finetune_encoder."""
