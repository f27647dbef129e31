"""Maintenance: assets, and the work orders that keep them and the estate in repair."""
