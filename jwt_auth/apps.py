from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class JWTAuthConfig(AppConfig):
    name = "jwt_auth"
    verbose_name = _("Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here, because they need the models.
        from jwt_auth import (
            browser_checks,
            checks,
            client_checks,
            deploy_checks,
            logs,
            receivers,
            revocation_checks,
            trust_checks,
        )

        register(checks.check_settings, Tags.security)
        register(browser_checks.check_browser_settings, Tags.security)
        register(browser_checks.check_error_reports, Tags.security, deploy=True)
        register(revocation_checks.check_revocation, Tags.security)
        register(revocation_checks.check_timeouts, Tags.security, deploy=True)
        register(revocation_checks.check_isolation, Tags.security, deploy=True)
        register(trust_checks.check_trust, Tags.security)
        register(client_checks.check_client_authentication, Tags.security)
        register(client_checks.check_used_tokens, Tags.security, deploy=True)
        register(trust_checks.check_no_revocation, Tags.security, deploy=True)
        register(deploy_checks.check_deployment, Tags.security, deploy=True)
        register(deploy_checks.check_database, Tags.database, deploy=True)
        receivers.connect()
        logs.connect()
        if apps.is_installed("django.contrib.admin"):
            from jwt_auth.administration import users

            users.connect()
        if apps.is_installed("drf_spectacular"):
            from jwt_auth.contrib import spectacular  # noqa: F401  # what it declares is found once it is imported
