"""Plan who gets which campaign, and who is held out so that the effect can be measured (job `plan_campaigns`)."""
