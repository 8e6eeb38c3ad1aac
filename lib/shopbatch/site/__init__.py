"""`shopbatch docs`: a static site of a warehouse, made from what lies in it. Nothing in the warehouse is changed."""
