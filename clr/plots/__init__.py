"""Pictures, one noun a file."""
