from django.urls import path

from quiz import views

urlpatterns = [
    path('api/login/', views.LoginView.as_view()),
    path('api/refresh/', views.CookieTokenRefreshView.as_view()),
    path('api/logout/', views.LogoutView.as_view()),
    path('api/user/', views.UserView.as_view()),
    path('api/questions/', views.QuestionsView.as_view()),
]
