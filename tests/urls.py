from example_project.urls import urlpatterns as example_urls

urlpatterns = [*example_urls]
