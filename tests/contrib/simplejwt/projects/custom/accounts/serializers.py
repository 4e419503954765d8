from rest_framework import serializers
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer

from .models import User


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ['id', 'email', 'role']


class MyTokenObtainPairSerializer(TokenObtainPairSerializer):
    default_error_messages = {'no_active_account': 'Wrong e-mail address or password.'}

    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)

        # Add custom claims
        token['role'] = user.role
        token['email'] = user.email

        return token

    def validate(self, attrs):
        data = super().validate(attrs)
        if not self.user.is_confirmed:
            raise serializers.ValidationError({'detail': 'Please confirm your e-mail address first.'})
        data['user'] = UserSerializer(self.user).data
        data['role'] = self.user.role
        return data
