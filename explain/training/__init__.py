"""Class prompts learnt on a frozen ViT: `run` is the page's side, `worker` the process's. Stands on models."""
