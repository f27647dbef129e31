"""Estates: the communities that an installation serves, and which plugins each of them has enabled."""
