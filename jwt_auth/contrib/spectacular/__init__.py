"""
OpenAPI descriptions for drf-spectacular: the security schemes, and the requests and responses of the endpoints.

No request runs this code. drf-spectacular finds the declarations as soon as they are imported, and `apps` imports
them if drf-spectacular is installed as an app: the project's schema then needs nothing more.
"""

from jwt_auth.contrib.spectacular import (
    endpoints as endpoints,
    project_views as project_views,
    schemes as schemes,
    simplejwt as simplejwt,
)
