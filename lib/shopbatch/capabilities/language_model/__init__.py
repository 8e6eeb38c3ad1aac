"""Fine-tune a language model on a shop's texts: the job `finetune_llm`. The entry point is `train.finetune`."""
