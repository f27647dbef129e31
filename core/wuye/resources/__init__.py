"""The resource layer: a model is declared once and gets list, detail, API, search, import and export."""
