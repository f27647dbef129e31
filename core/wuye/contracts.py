"""What departments agree on without knowing each other: the words that travel between them."""

#: The beginnings of categories (`repair.heating`) that every installation's routing table knows at first, and the
#: department that they go to, enabled or not. An estate changes them under `routes`.
DEFAULT_ROUTES = {
    "repair": "maintenance",
    "security": "security",
    "environment": "environment",
    "office": "office",
}
