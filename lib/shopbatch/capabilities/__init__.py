"""What a shop asks for, one folder each. A capability never imports another one; shared code is in the rooms below."""
