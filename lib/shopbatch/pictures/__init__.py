"""Picture files -> small upright RGB pictures, their perceptual hashes, and the pixels that encoders read.

Entry points: `reading.read_picture` for files that nobody has checked, `pixels.pixels` for pictures that it made.
"""
