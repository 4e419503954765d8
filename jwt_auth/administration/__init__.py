"""The pages in Django's admin, which `jwt_auth.admin` registers."""
