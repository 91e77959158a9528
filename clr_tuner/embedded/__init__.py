"""The whole service under one parent: `serve` and `demo`."""
