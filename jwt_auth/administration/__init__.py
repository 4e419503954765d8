"""What stands in Django's admin; `jwt_auth.admin` registers it. Nothing else imports it."""
