from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from example_project.accounts.models import Member

admin.site.register(Member, UserAdmin)
