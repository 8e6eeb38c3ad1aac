"""The job `answer_tickets`: decides what to do with each ticket, and writes replies whose claims have evidence.

Entry point: `run.answer_tickets`.
"""
