"""plan_campaigns: who gets which campaign, and who is left out so that it can be measured."""
