"""Fine-tuning of language models: finetune_llm."""
