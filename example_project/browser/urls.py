from django.urls import path

from example_project.browser.views import PageView

urlpatterns = [path("", PageView.as_view(), name="page")]
