"""`docs/features.md`: every feature of user_profiles in words. Written by `python -m shopbatch.capabilities.profiles.catalogue`.

The tables come from `tables/user_profiles.py`; the words around them are here. Light to import: no Spark.
"""

from __future__ import annotations

import sys
from itertools import groupby

import pyarrow as pa

from shopbatch.tables.user_profiles import AMOUNT, FEATURES, INT, NAMES, SHARE, USER_PROFILES, WINDOWS, Feature

_KINDS = {INT: "whole number", SHARE: "number", AMOUNT: "money", NAMES: "list of text", pa.string(): "text"}

_HEAD = """\
# Features of user_profiles

*Written by `make docs` from `lib/shopbatch/tables/user_profiles.py`; a test compares the two. Do not edit.*

`user_profiles` has one row per user and day (`as_of`): what was known of the user **before** that day began. Job
`build_user_profiles` publishes it, a day in one commit. A row exists for every user of whom anything is known before
the day: a purchase or a return, a campaign received, a redemption, a review, an event. It has {count} features, listed
below by group, and these columns besides:

{columns}

Every meaning, unit, window and null below is also the comment of its column in the Delta table, so
`shopbatch tables user_profiles` and any catalogue show it.

## Words

| word | means |
| --- | --- |
| line | one valid row of `transactions`, its key (basket_id, product_id) counted once |
| return line, purchase line | a line with a quantity below 0; any other line (quantity 0 included: only money moved) |
| money | `sales_value`: what the shop received, discounts already taken off. Sums are exact, to the cent (18 digits) |
| basket | a (day, basket_id) with at least one purchase line; its money and units are those of its purchase lines |
| active day | a day with a basket of the user |
| day | a calendar day in the shop's time zone (conf `timezone`) |
| window | {windows}, the days just before `as_of`, which itself is outside; `all`: no limit |
| buyer | a user with an active day before `as_of` |
| decayed | weighing 2^(-age / half life), age in days before `as_of`; conf `half_life_days`, 90 |
"""

_RULES = """\
## What counts

**Duplicates.** Of several rows with one key one counts: the greatest by `ingested_at` (null: by the moment of the
transaction or event itself). Of rows ingested at the same moment it is the greatest by `transaction_at`, then user_id,
quantity, sales_value, retail_discount, coupon discounts (events, whose key is event_id: by `event_time`, user_id,
event_type). Values decide, never a row's place in a file: loading the same rows in another order changes nothing. Rows
that do not count are kept in `transactions_rejects` and `events_rejects` as `repeated` (the very same again) or
`superseded` (another row of the key won), beside invalid rows (no key, user, time, quantity, amount or known type;
a time outside the years 2 to 9998 is none, nor is a quantity beyond 10,000,000 either way: a barcode, likely).
Of several rows of `products` with one product_id the greatest by department, category, brand counts, of `users` the
greatest by age, income, household_size; null is less than any value.

**What was known when.** Every feature stops before `as_of`. `knowledge_cut` also leaves out transactions and events
ingested after that moment; it is a column of every row, and null where the source counted as it stands.

**No history.** `users`, `products`, and with them age, income, household size, departments, categories and brands,
hold what is true today. An old day computed again sees today's values, not those of then. The scores of reviews are
today's too.

**Corrections.** A correction, late row or deletion in a source, however old its day, changes the days published from
then on. Days already published stay as they were until someone asks for them: `restate=2017-07-01..2017-07-31`.

**Nulls.** Null says that there is nothing to tell, 0 that there is and it is none: a user without a basket has 0
baskets and no mean basket. A feature of a table that the warehouse does not have is null for all.
"""

_SEGMENTS = """\
## How segments are made

Buyers get three scores from 1 to 5: `rfm_recency` of days_since_last (fewer days are better), `rfm_frequency` of
active_days_365d, `rfm_monetary` of sales_365d in whole currency units, rounded down. A score is
1 + floor(5 x worse / buyers), `worse` being the number of buyers that are strictly worse. Equal values get equal
scores, so fifths need not be of equal size. Scores compare the users of one day with each other: a user's score may
change because others changed.

The first line that holds is the segment:

| segment | recency | frequency | monetary | besides |
| --- | --- | --- | --- | --- |
| `no_purchase` | | | | no active day (the scores are null) |
| `champions` | 4-5 | 4-5 | 4-5 | |
| `new_customers` | | 1-2 | | first active day at most 60 days before as_of |
| `loyal` | 3-5 | 4-5 | | |
| `big_spenders` | 3-5 | | 4-5 | |
| `promising` | 4-5 | | | |
| `needs_attention` | 3 | | | |
| `at_risk` | 1-2 | 4-5 | or 4-5 | frequency or monetary is enough |
| `hibernating` | 2 | | | |
| `lost` | 1 | | | |
"""

_OUTLOOK = """\
## How the outlook is made

Nothing is fitted; it is read off what users like this one did. Users are put into cells by days since the last active
day (1, 2, 3-4, 5-7, 8-14, 15-30, 31-60, 61-90, 91 and more) and by active days of the last 90 (0, 1, 2, 3-4, 5-8, 9-16,
17-32, 33 and more), once as they were 30, once 60 and once 90 days before `as_of`. What each did in the 30 days after
is known. With the three dates pooled:

- share, ahead and usual of a cell are its share of users with an active day in those 30 days, their mean active days
  in them, and their mean active days of the 90 before. Each is smoothed as if the cell held 5 more users of the mean
  of all cells.
- `buy_probability_30d` = share of the user's own cell as of `as_of`.
- `expected_spend_30d` = ahead x (n + 1) / (usual + 1) x (money + 2 m) / (active days + 2): n the user's active days of
  the last 90, money and active days the user's of all time (purchase lines), m the mean money of an active day of all
  users.

### How good it is

Forecasts from what was known before a date, scored on the 30 days from it on (`python bench/outlook.py`, which writes
the same rule in NumPy). Means over five dates, all buyers before each:

| model | Brier | log loss | ECE, 15 bins | AUC | mean absolute error of spend | spend forecast / actual |
| --- | --- | --- | --- | --- | --- | --- |
| this one | 0.0969 | 0.308 | 0.016 | 0.871 | 72.45 | 0.99 |
| BG/NBD + Gamma-Gamma, fitted at each date | 0.0993 | 0.327 | 0.028 | 0.867 | 74.30 | 0.99 |
| bought in the last 30 days or not; their spend again | 0.1109 | 0.371 | 0.008 | 0.718 | 78.12 | 0.98 |

Brier, log loss, ECE and error: lower is better; AUC: higher. The crude rule has the least ECE, because it gives only
two different probabilities, and tells users apart worst. Against BG/NBD and Gamma-Gamma this one has the lower Brier,
log loss, ECE and error at each of the five dates, and the higher AUC at four of them.

**This is one grocery panel** (Complete Journey, about 2,500 households of one US retailer) **on 5 dates of 2017**:
1 July, 1 September, 1 October, 1 November, 1 December. The same households are in all five, and what one date is judged
on is history for the next. No second panel has checked the prior or the form of the rule, so the figures may flatter.
Where people buy rarely or by season, judge it anew on your own data.
"""


def markdown() -> str:
    """The text of docs/features.md."""
    besides = (c for c in USER_PROFILES.columns if c.name not in {f.name for f in FEATURES})
    columns = "\n".join(f"- `{c.name}`: {c.meaning}" for c in besides)
    windows = ", ".join(f"`{name}`" for name, days in WINDOWS.items() if days)
    head = _HEAD.format(count=len(FEATURES), columns=columns, windows=windows)
    tables = (_group(name, list(features)) for name, features in groupby(FEATURES, lambda f: f.group))
    return "\n".join((head, _RULES, _SEGMENTS, _OUTLOOK, "## The features\n", *tables))


def _group(name: str, features: list[Feature]) -> str:
    """A heading and a table with a line per feature."""
    head = "| feature | type | meaning | unit | window | null when |"
    lines = [f"### {name.capitalize()}\n", head, "| --- " * 6 + "|"]
    for f in features:
        null = f.null.removeprefix("null: ").removesuffix(" null")
        cells = (f"`{f.name}`", _KINDS[f.type], f.meaning, f.unit, f.window, null)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
