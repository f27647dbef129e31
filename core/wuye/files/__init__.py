"""Attachments: photos and files on anything that a resource offers."""
