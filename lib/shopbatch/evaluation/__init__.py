"""Numbers that judge outputs. They take arrays and tables and know no model."""
