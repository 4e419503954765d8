from django.urls import path

from example_project.live.streams import clock_events
from example_project.live.views import LivePageView

urlpatterns = [
    path("", LivePageView.as_view(), name="live"),
    path("events/", clock_events, name="live-events"),
]
