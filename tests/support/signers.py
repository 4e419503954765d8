"""The settings of a client that signs."""

SECRET = "c2VjcmV0LXRleHQtYXMtdGhlLXNlcnZlci1zaG93cy1pdA"

GIVEN = {"client_id": "client_reports", "kid": "key-1", "audience": "https://api.example.com"}
