from rest_framework import generics, serializers
from rest_framework.permissions import SAFE_METHODS

from common.permissions import InOrganisation, IsAdmin

from .models import Contact


class ContactSerializer(serializers.ModelSerializer):
    class Meta:
        model = Contact
        fields = ["id", "name"]


class ContactList(generics.ListCreateAPIView):
    serializer_class = ContactSerializer

    def get_permissions(self):
        return [InOrganisation()] if self.request.method in SAFE_METHODS else [IsAdmin()]

    def get_queryset(self):
        return Contact.objects.filter(org=self.request.org)

    def perform_create(self, serializer):
        serializer.save(org=self.request.org)
