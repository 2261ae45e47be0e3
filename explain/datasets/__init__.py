"""Pictures in classes, from folders and zips nobody vouches for. Stands on pictures."""
