"""CF-CAM: `method` draws the map, `settings`, `clustering` and `parts` make it, `formula` and `view` show how."""
