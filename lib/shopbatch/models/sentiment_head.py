"""STAND-IN by the lead: to be overwritten by its owner."""
import numpy as np
LABELS = ("negative", "neutral", "positive")
class SentimentHead:
    @classmethod
    def fake(cls, dim=8): return cls()
    @classmethod
    def load(cls, path): raise NotImplementedError
    def probabilities(self, vectors, language):
        z = vectors[:, :3]*2; e = np.exp(z - z.max(1, keepdims=True)); return e / e.sum(1, keepdims=True)
