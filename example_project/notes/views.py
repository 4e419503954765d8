"""
A protected API in plain DRF: nothing in it depends on how the user was authenticated.
"""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers, viewsets

from example_project.notes.models import Note
from jwt_auth.authentication import ClientJWTAuthentication
from jwt_auth.permissions import HasScope


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ["id", "text", "created_at"]


class NoteViewSet(viewsets.ModelViewSet[Note]):
    """The notes of the requesting user; notes of other users are not found."""

    serializer_class = NoteSerializer

    def get_queryset(self) -> QuerySet[Note]:
        return Note.objects.filter(owner=self.request.user.pk)

    def perform_create(self, serializer: Any) -> None:
        serializer.save(owner=self.request.user)


class ClientNoteViewSet(NoteViewSet):
    """The same for API clients: the notes of the user that the client acts as, if the client has the scope."""

    authentication_classes = [ClientJWTAuthentication]
    permission_classes = [HasScope("notes")]
