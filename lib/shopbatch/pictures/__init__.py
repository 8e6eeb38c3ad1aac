"""Reads untrusted picture files and prepares them for storage, duplicate detection and encoders.

`reading.read_picture` turns any file into a small upright RGB picture with a perceptual hash; `pixels.pixels` turns
such pictures into the arrays that encoders read.
"""
