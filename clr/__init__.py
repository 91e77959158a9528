"""The science: schedules, range tests, bounds. No server, no database."""
