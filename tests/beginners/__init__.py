"""What the app says when somebody who is new to it makes a mistake."""
