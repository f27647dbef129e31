"""Notifications: what people are told about work that concerns them, each user for themselves."""
