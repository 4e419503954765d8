"""A GraphQL API of strawberry-django, with JWTUserMiddleware, and the permissions of both packages."""

import strawberry
import strawberry_django
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from strawberry.django.views import AsyncGraphQLView, GraphQLView
from strawberry.permission import BasePermission
from strawberry_django.permissions import HasPerm, IsAuthenticated, IsStaff

from jwt_auth.authentication import claims_of
from jwt_auth.exceptions import InsufficientUserAuthenticationError
from jwt_auth.permissions import SignedInWithin


class RecentSignIn(BasePermission):
    message = "Sign in again to do this."
    error_extensions = {"code": "insufficient_user_authentication", "max_age": 240}

    def has_permission(self, source, info, **arguments):
        try:
            SignedInWithin(minutes=4).check(claims_of(info.context.request))
        except InsufficientUserAuthenticationError:
            return False
        return True


@strawberry.type
class Query:
    @strawberry_django.field(extensions=[IsAuthenticated()])
    async def aname(self, info: strawberry.Info) -> str:
        return info.context.request.user.get_username()

    @strawberry_django.field(extensions=[IsAuthenticated()])
    def name(self, info: strawberry.Info) -> str:
        return info.context.request.user.get_username()

    @strawberry_django.field(extensions=[IsStaff()])
    async def staff(self, info: strawberry.Info) -> str:
        return info.context.request.user.get_username()

    @strawberry_django.field(extensions=[HasPerm("auth.view_user")])
    async def permitted(self, info: strawberry.Info) -> str:
        return info.context.request.user.get_username()

    @strawberry.field(permission_classes=[RecentSignIn])
    async def recent(self, info: strawberry.Info) -> str:
        return str(info.context.request.user.pk)


class LoadsUser(AsyncGraphQLView):
    async def get_context(self, request, response):
        await request.auser()
        return await super().get_context(request, response)


schema = strawberry.Schema(Query)

urlpatterns = [
    path("async/", csrf_exempt(LoadsUser.as_view(schema=schema))),
    path("as-it-is/", csrf_exempt(AsyncGraphQLView.as_view(schema=schema))),
    path("sync/", csrf_exempt(GraphQLView.as_view(schema=schema))),
]
