"""Truth's views, one file each; `pages/truth.py` shows the one chosen."""
