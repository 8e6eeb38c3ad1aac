"""The invisible characters (blanks, control and zero-width characters) that are trimmed from the ends of ids.

All code that reads ids (the loader, user profiles, erasure) trims the same characters, so that ids match in a join.
"""

# the spaces and control characters of Unicode, the marks without width, and the letters that are drawn as nothing
_RANGES = (
    (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800),
    (0x3000, 0x3000), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB),
    (0xE0001, 0xE0001), (0xE0020, 0xE007F),
)  # fmt: skip
BLANKS = "".join(chr(code) for low, high in _RANGES for code in range(low, high + 1))
