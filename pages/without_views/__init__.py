"""The views of the page Without it, a file each."""
