"""The tables, a file for each noun; everybody else knows them by store.models."""
