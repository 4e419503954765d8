from rest_framework.routers import SimpleRouter

from example_project.notes.views import NoteViewSet

router = SimpleRouter()
router.register("notes", NoteViewSet, basename="note")

urlpatterns = router.urls
