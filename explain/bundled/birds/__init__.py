"""Drawn birds: `draw` a bird, `species` they belong to. Stands on the ground alone."""
