"""Growth: how users bring users (measure_growth), and whom to ask to invite (choose_inviters)."""
