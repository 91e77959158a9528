"""The built-in workloads, on real data that packages ship."""
