"""`shopbatch docs`: generates a static HTML site about a warehouse (its jobs, tables, models), without changing it."""
