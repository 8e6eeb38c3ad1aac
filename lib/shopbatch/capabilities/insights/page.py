"""page stub"""

PAGE = "aspects.html"


def write_page(store, report, live, sources, config):
    pass
