"""A message's way from acceptance to its end: submit, lanes, attempts, evidence."""
