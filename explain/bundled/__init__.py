"""The models and pictures that ship with CAMscope, and the scripts that made them."""
