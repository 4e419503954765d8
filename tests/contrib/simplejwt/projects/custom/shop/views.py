from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

from .models import Order


class IsManager(BasePermission):
    def has_permission(self, request, view):
        return bool(request.auth) and request.auth.get('role') == 'manager'


class OrderList(APIView):
    permission_classes = [IsManager]

    def get(self, request):
        return Response(list(Order.objects.values('id', 'item')))
