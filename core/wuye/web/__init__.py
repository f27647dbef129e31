"""The web: HTTP in, the resource layer's services, HTTP out."""
