"""How the trained attention that ships was made. Nothing that runs knows it."""
