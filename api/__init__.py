"""HTTP in, JSON out: the routes, the request and answer models, the mapping of errors."""
