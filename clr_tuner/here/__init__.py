"""What a process of the user's own measures, and how the service comes to know it."""
