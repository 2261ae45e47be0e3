"""What a person sees and touches: plain data in, plain choices out. Nothing here imports torch."""
