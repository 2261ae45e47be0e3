"""CF-CAM: `method` draws the map, `settings` and `clustering` make it, `view` shows its clusters."""
