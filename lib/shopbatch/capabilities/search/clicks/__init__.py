"""Learns relevance judgements from shoppers' clicks: the job `judge_by_clicks`."""
