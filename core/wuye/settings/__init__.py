"""What an estate can decide about a plugin: declared by the plugin, kept for each estate, edited in the browser."""
