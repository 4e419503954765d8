"""
A protected API as one writes it with DRF: that the user came with a JWT shows nowhere.
"""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers, viewsets

from example_project.notes.models import Note


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ["id", "text", "created_at"]


class NoteViewSet(viewsets.ModelViewSet[Note]):
    """The notes of whoever asks; somebody else's are not found."""

    serializer_class = NoteSerializer

    def get_queryset(self) -> QuerySet[Note]:
        return Note.objects.filter(owner=self.request.user.pk)

    def perform_create(self, serializer: Any) -> None:
        serializer.save(owner=self.request.user)
