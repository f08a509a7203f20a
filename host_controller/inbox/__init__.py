"""Messages that came in, and what they ask for."""
