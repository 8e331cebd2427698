"""Pre-finetuning on other corpora, then few-shot fine-tuning per speaker (arXiv 2302.12921)."""
