from django.contrib import admin

from tests.uuid_accounts.models import Account


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    """An admin that does not inherit from Django's `UserAdmin`."""

    list_display = ["email", "is_staff", "is_active"]
    search_fields = ["email"]
    exclude = ["password", "groups", "user_permissions"]
