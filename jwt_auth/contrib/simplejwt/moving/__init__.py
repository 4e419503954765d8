"""
The parts of `manage.py jwt_migrate simplejwt`: the rules for each setting of simplejwt and each line of a project.

`settings` and `code` read, and `report` and `changes` write. Nothing here imports simplejwt.
"""
