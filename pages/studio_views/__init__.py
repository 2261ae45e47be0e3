"""The Studio's views, one file each; `pages/studio.py` shows the one chosen."""
