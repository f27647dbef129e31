"""Plugins: their manifests, how they are loaded, what they may declare, and the bus that calls them."""
