from django.urls import path
from rest_framework_simplejwt import views as jwt_views

from accounts.views import LogoutAllView, LogoutView, MeView
from shop.views import OrderList

urlpatterns = [
    path('auth/login/', jwt_views.TokenObtainPairView.as_view(), name='login'),
    path('auth/refresh/', jwt_views.TokenRefreshView.as_view(), name='refresh'),
    path('auth/logout/', LogoutView.as_view(), name='logout'),
    path('auth/logout-all/', LogoutAllView.as_view(), name='logout-all'),
    path('auth/me/', MeView.as_view(), name='me'),
    path('orders/', OrderList.as_view(), name='orders'),
]
