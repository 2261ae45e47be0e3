"""Are the verdicts right? Worlds where the truth is known, and what is said there."""
