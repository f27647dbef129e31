"""Archives: an installation's backup and an estate's export, in one documented format, and putting them back."""
