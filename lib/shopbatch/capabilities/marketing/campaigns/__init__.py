"""measure_campaigns: what campaigns really brought."""
