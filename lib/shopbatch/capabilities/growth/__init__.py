"""Growth: measure how users bring users (`measure_growth`), and choose whom to ask to invite (`choose_inviters`)."""
