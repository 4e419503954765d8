"""Commands for `manage.py`, and the functions behind them."""
