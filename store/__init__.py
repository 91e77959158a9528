"""What the processes must agree on: settings, tables, the status machine, the doorbell."""
