"""What is learnt on a frozen network: class prompts, T-TAME's attention. The page has `run`, the process `worker`."""
