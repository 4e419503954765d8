"""
The knowledge of `manage.py jwt_migrate simplejwt`: what becomes of each setting of simplejwt, and of each line of a
project.

`settings` and `code` read, and `report` and `changes` write. Nothing here imports simplejwt.
"""
