"""Score the sentiment of customers' reviews, and train, shrink and audit the models that do it.

The package holds these jobs:

- score_reviews (`run`) gives each review a label and probabilities
- train_sentiment_head (`train_head`) and finetune_encoder (`train_encoder`) train models on labelled reviews
- distil_encoder (`distil`), compress_encoder (`compress`) and train_cascade (`cascade`) make scoring faster
- audit_bias (`bias`) measures how much the score depends on the person named in a sentence
"""
