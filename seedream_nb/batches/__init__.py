"""Many requests at once, planned, checked and reserved as a whole, and shown as one table that grows."""
