"""The app's configuration, which registers the checks, receivers and integrations."""

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class JWTAuthConfig(AppConfig):
    name = "jwt_auth"
    verbose_name = _("Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here and below, because they need the models.
        from jwt_auth import receivers
        from jwt_auth.http import logs

        _register_checks()
        receivers.connect()
        logs.connect()
        _connect_to_packages()


def _register_checks() -> None:
    from jwt_auth.checks import (
        browser,
        clients,
        deploy,
        django_sessions,
        former_tokens,
        issuers,
        namesakes,
        revocation,
        settings,
        sign_ins,
        views,
    )
    from jwt_auth.contrib.allauth.checks import check_allauth
    from jwt_auth.contrib.simplejwt.checks import check_simplejwt
    from jwt_auth.contrib.simplejwt.window_checks import check_window

    register(settings.check_settings, Tags.security)
    register(namesakes.check_namesakes, Tags.security)
    register(browser.check_browser_settings, Tags.security)
    register(browser.check_error_reports, Tags.security, deploy=True)
    register(revocation.check_revocation, Tags.security)
    register(revocation.check_timeouts, Tags.security, deploy=True)
    register(revocation.check_isolation, Tags.security, deploy=True)
    register(issuers.check_trust, Tags.security)
    register(clients.check_client_authentication, Tags.security)
    register(views.check_views, Tags.security)
    register(sign_ins.check_sign_ins, Tags.security)
    register(django_sessions.check_session_exchange, Tags.security)
    register(check_allauth, Tags.security)
    register(former_tokens.check_former_tokens, Tags.security)
    register(check_simplejwt, Tags.security)
    register(check_window, Tags.security)
    register(clients.check_used_tokens, Tags.security, deploy=True)
    register(issuers.check_no_revocation, Tags.security, deploy=True)
    register(deploy.check_deployment, Tags.security, deploy=True)
    register(deploy.check_database, Tags.database, deploy=True)


def _connect_to_packages() -> None:
    from jwt_auth.contrib.simplejwt import claims

    claims.connect()
    if apps.is_installed("django.contrib.admin"):
        from jwt_auth.administration import users

        users.connect()
    if apps.is_installed("drf_spectacular"):
        from jwt_auth.contrib import spectacular  # noqa: F401  # the import makes its declarations known
    if apps.is_installed("allauth.headless"):
        from jwt_auth.contrib.allauth.receivers import connect_if_used

        connect_if_used()

    from jwt_auth.contrib.simplejwt import window

    window.connect()
