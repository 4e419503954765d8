"""Programs that call an API: what they sign, and where they send it."""
