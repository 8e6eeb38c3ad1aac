"""Jobs on product pictures: `embed_images`, `train_image_classifier`, `classify_images`, `find_similar_images`."""
