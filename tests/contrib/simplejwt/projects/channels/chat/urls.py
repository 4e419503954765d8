from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from .models import Message


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def me(request):
    return Response({"username": request.user.username})


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def messages(request, room):
    return Response(Message.objects.filter(room=room).values("author__username", "text"))


urlpatterns = [path("me/", me, name="me"), path("rooms/<str:room>/", messages, name="messages")]
