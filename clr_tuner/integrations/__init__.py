"""Range tests and schedules inside other frameworks: one module each, which imports the framework that it is for."""
