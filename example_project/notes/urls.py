from django.urls import path
from rest_framework.routers import SimpleRouter

from example_project.notes.views import ClientNoteViewSet, NoteViewSet, PaymentView

router = SimpleRouter()
router.register("notes", NoteViewSet, basename="note")
router.register("client/notes", ClientNoteViewSet, basename="client-note")

urlpatterns = [*router.urls, path("payments/", PaymentView.as_view(), name="payment")]
