"""Judgements from clicks: judge_by_clicks."""
