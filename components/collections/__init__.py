"""A run of a collection: which one, which of its pictures, and what is seen of them."""
