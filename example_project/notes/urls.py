from rest_framework.routers import SimpleRouter

from example_project.notes.views import ClientNoteViewSet, NoteViewSet

router = SimpleRouter()
router.register("notes", NoteViewSet, basename="note")
router.register("client/notes", ClientNoteViewSet, basename="client-note")

urlpatterns = router.urls
