"""STAND-IN by the lead: to be overwritten by its owner."""
class Progress:
    def __init__(self, total, stage=""): pass
    def __enter__(self): return self
    def __exit__(self,*a): pass
    def advance(self, rows, rejects=0): pass
