"""The parties whose tokens are accepted: their keys, the rules for their tokens, and the principals of the tokens."""
