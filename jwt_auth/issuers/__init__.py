"""The parties whose tokens are accepted: their keys, the rules of their tokens, and the principals these speak for."""
