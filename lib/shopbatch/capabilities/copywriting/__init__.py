"""Product copy (the job describe_products, see `run.describe`) and ads (the job write_ads, package `ads`)."""
