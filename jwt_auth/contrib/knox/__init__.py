"""
For projects that come from django-rest-knox: its tokens are accepted until a date, reached by revocations, and
exchanged for tokens of this app.
"""
