"""What is done with each ticket, and the reply with the evidence of its claims. Entry point: `run.answer_tickets`."""
