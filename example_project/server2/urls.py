from django.urls import path

from example_project.server2.views import ReportsView

urlpatterns = [path("reports/", ReportsView.as_view())]
