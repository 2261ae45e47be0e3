"""A map and what is said of it: `heatmap`, `render`, `figure`, `fusion`, `agreement`. Stands on methods."""
