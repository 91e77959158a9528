"""A workload package of one's own, written from templates."""
