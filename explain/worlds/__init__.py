"""Small worlds where the truth is known: marks planted in pictures, networks that rely on them and honest ones."""
