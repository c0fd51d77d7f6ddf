"""From nothing to a report in minutes."""
