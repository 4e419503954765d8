from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class JWTAuthConfig(AppConfig):
    name = "jwt_auth"
    verbose_name = _("Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here, because they need the models.
        from jwt_auth import checks, receivers

        register(checks.check_settings, Tags.security)
        receivers.connect()
