"""
For projects that come from django-rest-knox: its tokens are accepted until a date, refused after a
revocation, and exchanged for tokens of this app.
"""
