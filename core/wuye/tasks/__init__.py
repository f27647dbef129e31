"""What takes too long for a request: somebody asks for it, a worker does it, and they see how far it is."""
