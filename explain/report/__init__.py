"""What leaves the house: `export` a folder, `manifest` what made it, `replay` it. Stands on engine."""
