"""The sentiment of reviews: score_reviews, train_sentiment_head, finetune_encoder."""
