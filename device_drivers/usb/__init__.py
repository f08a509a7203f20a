"""What Linux says about USB: which devices are phones, and where they are plugged in."""
