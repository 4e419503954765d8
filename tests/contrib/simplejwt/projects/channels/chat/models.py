from django.conf import settings
from django.db import models


class Message(models.Model):
    room = models.CharField(max_length=50)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.TextField()
