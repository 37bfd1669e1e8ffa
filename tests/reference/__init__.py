"""Independent references: exact or to sixty digits, written from the papers, not from our code."""
