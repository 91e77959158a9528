"""All of the science that loads torch."""
