"""
For drf-spectacular: how requests authenticate, and what the endpoints take and answer, as OpenAPI.

Nothing here is called when a request comes. drf-spectacular finds what was declared once it is imported, and
`apps` imports it where a project has that app: its schema then needs nothing more.
"""

from jwt_auth.contrib.spectacular import endpoints as endpoints, schemes as schemes
