"""WHAT WOULD GO WRONG, BEFORE IT DOES: facts are gathered, findings made of them. `command.py` is the door."""
