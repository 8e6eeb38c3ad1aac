"""Fine-tuning of language models: the job finetune_llm."""
