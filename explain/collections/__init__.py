"""Collections: a folder of pictures explained shard by shard, kept as Parquet, and what its maps have in common."""
