"""
A protected API in plain DRF: nothing in it depends on how the user was authenticated.
"""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from example_project.notes.models import Note
from jwt_auth.authentication import ClientJWTAuthentication
from jwt_auth.permissions import HasScope, SignedInWithin


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


class PaymentSerializer(serializers.Serializer[Any]):
    recipient = serializers.CharField(max_length=100)
    amount = serializers.DecimalField(max_digits=8, decimal_places=2, min_value=1)


class PaymentView(APIView):
    """A payment, which needs a sign-in of the last minute. No money is moved."""

    permission_classes = [IsAuthenticated, SignedInWithin(minutes=1)]

    def post(self, request: Request) -> Response:
        serializer = PaymentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.data, status=201)
