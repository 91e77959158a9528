"""What one could take instead of tuning, each from its own package at its author's defaults, against our bounds.

`plan` says on what and how long; `opponents` drives the packages; `runs` trains, and keeps what was trained; `methods`
makes of it a row a method, length and seed; `table` draws them. docs/rivals.md holds the rules and what was found.
"""
