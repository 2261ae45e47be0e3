"""The scripts that made what ships; nothing at run time imports them."""
