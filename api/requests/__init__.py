"""What may be asked; no rows."""
