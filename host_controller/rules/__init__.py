"""Rules that decide and remember nothing: states, limits, destinations, waits. Pure."""
