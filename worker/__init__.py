"""Celery in, rows out: the only package that joins the science to the store."""
