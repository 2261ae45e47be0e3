"""What class prompts look for: `traits` in a picture, `gallery` over many, `surgery` on one. Stands on engine."""
