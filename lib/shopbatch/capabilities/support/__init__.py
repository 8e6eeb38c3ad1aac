"""Customer service: recognises what tickets ask for, and writes replies that state only known facts.

The job `train_intents` trains the classifier of questions; the job `answer_tickets` uses it.
"""
