# Running and testing.
