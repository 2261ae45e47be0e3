"""Maps on the page: rows, frames, agreement, clusters, formula, downloads. Stands on choices."""
