"""The Python client and the command line; speaks HTTP to the service."""
