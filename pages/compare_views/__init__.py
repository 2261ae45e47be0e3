"""What stands on Compare; `pages/compare.py` asks for it."""
