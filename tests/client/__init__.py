"""Programs that call an API: the tokens that they sign, and the places that they send them to."""
