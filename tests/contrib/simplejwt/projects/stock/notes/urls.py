from django.urls import path
from rest_framework.routers import DefaultRouter

from .views import NoteViewSet, me

router = DefaultRouter()
router.register("notes", NoteViewSet, basename="note")

urlpatterns = [path("me/", me, name="me"), *router.urls]
