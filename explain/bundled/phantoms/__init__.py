"""Drawn volumes: `draw` a phantom, of one of the `kinds` that its lesion decides. Stands on the ground alone."""
