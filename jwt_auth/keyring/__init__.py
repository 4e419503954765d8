"""This server's own keys, from the settings or the database, and the encryption of secrets at rest."""
