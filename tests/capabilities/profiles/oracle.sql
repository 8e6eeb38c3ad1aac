-- The plain definition of user_profiles, from the source rows; run by oracle.py, which sets the variables
-- oracle_as_of, oracle_knowledge_cut, oracle_half_life and oracle_private_brands and makes the views in_* (a source
-- table as it is, or an empty one where it is absent). Every step is one temp table. A day is a UTC day, the session's
-- time zone is UTC, and strings compare by their UTF-8 bytes (DuckDB's default).

CREATE OR REPLACE TEMP MACRO as_of() AS getvariable('oracle_as_of');
-- An id without blanks at its ends: separators, controls and marks without width, and letters that are drawn as nothing
-- (U+3164, U+2800). Of visible ASCII there is nothing to cut off, which is faster to see.
CREATE OR REPLACE TEMP MACRO trimmed(id) AS CASE
    WHEN regexp_full_match(id, '[!-~]*') THEN id
    ELSE regexp_replace(id, '^[\pZ\p{Cc}\p{Cf}\x{3164}\x{2800}]+|[\pZ\p{Cc}\p{Cf}\x{3164}\x{2800}]+$', '', 'g')
END;
CREATE OR REPLACE TEMP MACRO blank(id) AS coalesce(trimmed(id), '') = '';
CREATE OR REPLACE TEMP MACRO known(known_at) AS
    getvariable('oracle_knowledge_cut') IS NULL OR known_at <= getvariable('oracle_knowledge_cut');

-- Lines: valid and known rows, of each key the greatest, and of these what is before as_of ---------------------------

CREATE OR REPLACE TEMP TABLE o_lines AS
WITH valid AS (
    SELECT
        basket_id, trimmed(product_id) AS product_id, coalesce(line_number, 1) AS line_number,
        trimmed(user_id) AS user_id, quantity, sales_value AS sales, transaction_at,
        coalesce(order_status, 'paid') AS status,
        coalesce(ingested_at, transaction_at) AS known_at,
        coalesce(retail_discount, 0) AS retail,
        coalesce(coupon_discount, 0) + coalesce(coupon_match_discount, 0) AS coupon
    FROM transactions
    WHERE NOT blank(basket_id) AND NOT blank(transactions.product_id)
        AND known(coalesce(ingested_at, transaction_at))
        AND (order_status = 'cancelled' OR (
            NOT blank(transactions.user_id)
            AND year(transaction_at) BETWEEN 2 AND 9998 AND quantity BETWEEN -10000000 AND 10000000
            AND sales_value IS NOT NULL
            AND coalesce(order_status, 'paid') IN ('paid', 'refunded')
        ))
),
counted_once AS (
    SELECT * FROM valid
    QUALIFY row_number() OVER (
        PARTITION BY basket_id, product_id, line_number
        ORDER BY
            known_at DESC NULLS LAST, transaction_at DESC NULLS LAST,
            CASE status WHEN 'cancelled' THEN 2 WHEN 'refunded' THEN 1 ELSE 0 END DESC,
            user_id DESC, quantity DESC, sales DESC, retail DESC, coupon DESC
    ) = 1
),
catalogue AS (
    SELECT trimmed(product_id) AS product_id, department, category, brand FROM in_products
    QUALIFY row_number() OVER (
        PARTITION BY trimmed(in_products.product_id)
        ORDER BY updated_at DESC NULLS LAST, department DESC NULLS LAST, category DESC NULLS LAST, brand DESC NULLS LAST
    ) = 1
)
SELECT
    l.basket_id, l.product_id, l.user_id, l.quantity, l.sales, l.coupon, l.transaction_at,
    l.transaction_at::DATE AS day,
    l.quantity >= 0 AND l.sales >= 0 AS is_purchase,
    is_purchase AND l.status = 'refunded' AS is_refunded,
    CASE WHEN is_refunded THEN 0 ELSE l.sales END AS net, -- what stays with the shop
    CASE WHEN is_purchase THEN l.quantity ELSE 0 END AS units,
    l.retail + l.coupon AS discount,
    (l.sales * 100)::BIGINT AS cents,
    p.product_id IS NOT NULL AS in_catalogue,
    p.department, p.category, p.brand
FROM counted_once l LEFT JOIN catalogue p ON p.product_id = l.product_id
WHERE l.status <> 'cancelled' AND l.transaction_at::DATE < as_of();

-- What every line adds to its user ------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_line_figures AS
SELECT
    user_id,
    coalesce(sum(net) FILTER (day >= as_of() - 7), 0) AS sales_7d,
    coalesce(sum(net) FILTER (day >= as_of() - 30), 0) AS sales_30d,
    coalesce(sum(net) FILTER (day >= as_of() - 90), 0) AS sales_90d,
    coalesce(sum(net) FILTER (day >= as_of() - 365), 0) AS sales_365d,
    sum(net) AS sales_all,
    coalesce(sum(units) FILTER (day >= as_of() - 7), 0) AS units_7d,
    coalesce(sum(units) FILTER (day >= as_of() - 30), 0) AS units_30d,
    coalesce(sum(units) FILTER (day >= as_of() - 90), 0) AS units_90d,
    coalesce(sum(units) FILTER (day >= as_of() - 365), 0) AS units_365d,
    sum(units) AS units_all,
    count(*) FILTER (is_purchase) AS purchase_lines,
    coalesce(sum(sales) FILTER (is_purchase), 0) AS purchase_money,
    coalesce(sum(net) FILTER (NOT in_catalogue), 0) AS unknown_product_sales,
    coalesce(sum(discount) FILTER (is_purchase), 0) AS discount_all,
    count(*) FILTER (is_purchase AND discount > 0) AS discounted_lines,
    count(*) FILTER (is_purchase AND coupon > 0) AS coupon_lines,
    coalesce(sum(sales) FILTER (is_purchase AND brand IS NOT NULL), 0) AS known_brand_money,
    coalesce(sum(sales) FILTER (
        is_purchase AND list_contains(getvariable('oracle_private_brands'), brand)
    ), 0) AS private_brand_money,
    count(*) FILTER (NOT is_purchase OR is_refunded) AS return_lines,
    coalesce(sum(abs(quantity)) FILTER (NOT is_purchase OR is_refunded), 0) AS returned_units,
    coalesce(-sum(sales) FILTER (NOT is_purchase), 0) + coalesce(sum(sales) FILTER (is_refunded), 0) AS returned_value
FROM o_lines
GROUP BY user_id;

-- Baskets and active days ---------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_baskets AS
SELECT
    user_id, day, basket_id,
    sum(sales) AS money,
    sum(units) AS units,
    count(*) AS lines,
    hour(min(transaction_at)) AS hour_of_day,
    isodow(day) AS weekday -- 1: Monday
FROM o_lines
WHERE is_purchase
GROUP BY user_id, day, basket_id;

CREATE OR REPLACE TEMP TABLE o_basket_figures AS
SELECT
    user_id,
    count(*) FILTER (day >= as_of() - 7) AS baskets_7d,
    count(*) FILTER (day >= as_of() - 30) AS baskets_30d,
    count(*) FILTER (day >= as_of() - 90) AS baskets_90d,
    count(*) FILTER (day >= as_of() - 365) AS baskets_365d,
    count(*) AS baskets_all,
    avg(money) AS basket_spend_mean,
    stddev_samp(money::DOUBLE) AS basket_spend_sd,
    max(money) AS basket_spend_max,
    avg(units) AS basket_units_mean,
    stddev_samp(units::DOUBLE) AS basket_units_sd,
    avg(lines) AS basket_lines_mean,
    count(*) FILTER (weekday = 1) / count(*) AS weekday_share_mon,
    count(*) FILTER (weekday = 2) / count(*) AS weekday_share_tue,
    count(*) FILTER (weekday = 3) / count(*) AS weekday_share_wed,
    count(*) FILTER (weekday = 4) / count(*) AS weekday_share_thu,
    count(*) FILTER (weekday = 5) / count(*) AS weekday_share_fri,
    count(*) FILTER (weekday = 6) / count(*) AS weekday_share_sat,
    count(*) FILTER (weekday = 7) / count(*) AS weekday_share_sun,
    count(*) FILTER (hour_of_day < 6) / count(*) AS daypart_share_night,
    count(*) FILTER (hour_of_day >= 6 AND hour_of_day < 12) / count(*) AS daypart_share_morning,
    count(*) FILTER (hour_of_day >= 12 AND hour_of_day < 18) / count(*) AS daypart_share_afternoon,
    count(*) FILTER (hour_of_day >= 18) / count(*) AS daypart_share_evening
FROM o_baskets
GROUP BY user_id;

CREATE OR REPLACE TEMP TABLE o_days AS
SELECT DISTINCT user_id, day FROM o_baskets;

CREATE OR REPLACE TEMP TABLE o_day_figures AS
WITH gaps AS (
    SELECT user_id, day, day - lag(day) OVER (PARTITION BY user_id ORDER BY day) AS gap FROM o_days
)
SELECT
    user_id,
    as_of() - max(day) AS days_since_last,
    as_of() - min(day) AS days_since_first,
    count(DISTINCT (year(day), month(day))) AS active_months,
    count(*) FILTER (day >= as_of() - 7) AS active_days_7d,
    count(*) FILTER (day >= as_of() - 30) AS active_days_30d,
    count(*) FILTER (day >= as_of() - 90) AS active_days_90d,
    count(*) FILTER (day >= as_of() - 365) AS active_days_365d,
    count(*) AS active_days_all,
    avg(gap) AS interval_mean,
    stddev_samp(gap::DOUBLE) AS interval_sd
FROM gaps
GROUP BY user_id;

-- Affinity: decayed money of a name. Where two agree to 10 digits, the rest is rounding: they are equal --------------

CREATE OR REPLACE TEMP TABLE o_name_money AS
WITH weighed AS (
    SELECT
        user_id, product_id, department, category, brand,
        cents * pow(2, -least((as_of() - day) / getvariable('oracle_half_life')::DOUBLE, 120)) AS v
    FROM o_lines
    WHERE is_purchase
),
named AS (
    SELECT user_id, 'department' AS kind, coalesce(department, 'unknown') AS name, v FROM weighed
    UNION ALL
    SELECT user_id, 'category' AS kind, coalesce(category, 'unknown') AS name, v FROM weighed
    UNION ALL
    SELECT user_id, 'brand' AS kind, coalesce(brand, 'unknown') AS name, v FROM weighed
    UNION ALL
    SELECT user_id, 'product' AS kind, product_id AS name, v FROM weighed
)
SELECT user_id, kind, name, sum(v) AS v FROM named GROUP BY user_id, kind, name;

CREATE OR REPLACE TEMP TABLE o_affinity AS
WITH shares AS (
    SELECT
        user_id, kind, name, v,
        v / nullif(sum(v) OVER (PARTITION BY user_id, kind), 0) AS p,
        row_number() OVER (PARTITION BY user_id, kind ORDER BY round(ln(nullif(v, 0)), 10) DESC NULLS LAST, name) AS place
    FROM o_name_money
)
SELECT
    user_id, kind,
    coalesce(list(name ORDER BY place) FILTER (v > 0 AND place <= 5), []::VARCHAR[]) AS top,
    max(p) AS top_share,
    0.0 - sum(p * ln(nullif(p, 0))) AS entropy,
    count(*) AS bought
FROM shares
GROUP BY user_id, kind;

CREATE OR REPLACE TEMP TABLE o_repeats AS
WITH products_of_user AS (
    SELECT user_id, product_id, count(DISTINCT day) AS days FROM o_lines WHERE is_purchase GROUP BY user_id, product_id
)
SELECT user_id, count(*) FILTER (days >= 2) / count(*) AS repeat_product_share FROM products_of_user GROUP BY user_id;

-- Price level ---------------------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_price_level AS
WITH of_user AS (
    SELECT user_id, category, sum(cents) AS cents, sum(units) AS units
    FROM o_lines
    WHERE is_purchase AND quantity > 0 AND category IS NOT NULL
    GROUP BY user_id, category
),
of_all AS (
    SELECT category, sum(cents)::DOUBLE / sum(units)::DOUBLE AS mean_price FROM of_user GROUP BY category
)
SELECT u.user_id, sum(u.cents)::DOUBLE / nullif(sum(u.units::DOUBLE * a.mean_price), 0) AS price_level
FROM of_user u JOIN of_all a ON a.category = u.category
GROUP BY u.user_id;

-- Outlook: what users in the same state did in the 30 days after 30, 60 and 90 days before as_of ----------------------

CREATE OR REPLACE TEMP MACRO recency_cell(r) AS CASE
    WHEN r <= 1 THEN '1' WHEN r <= 2 THEN '2' WHEN r <= 4 THEN '3-4' WHEN r <= 7 THEN '5-7' WHEN r <= 14 THEN '8-14'
    WHEN r <= 30 THEN '15-30' WHEN r <= 60 THEN '31-60' WHEN r <= 90 THEN '61-90' ELSE '91-'
END;
CREATE OR REPLACE TEMP MACRO frequency_cell(n) AS CASE
    WHEN n <= 0 THEN '0' WHEN n <= 1 THEN '1' WHEN n <= 2 THEN '2' WHEN n <= 4 THEN '3-4' WHEN n <= 8 THEN '5-8'
    WHEN n <= 16 THEN '9-16' WHEN n <= 32 THEN '17-32' ELSE '33-'
END;

CREATE OR REPLACE TEMP TABLE o_observations AS
WITH cuts AS (SELECT unnest([as_of() - 30, as_of() - 60, as_of() - 90]) AS cut),
observed AS (
    SELECT
        cut, user_id,
        cut - max(day) FILTER (day < cut) AS r,
        count(*) FILTER (day >= cut - 90 AND day < cut) AS n,
        count(*) FILTER (day >= cut AND day < cut + 30) AS k
    FROM o_days CROSS JOIN cuts
    GROUP BY cut, user_id
)
SELECT recency_cell(r) AS r_cell, frequency_cell(n) AS n_cell, n, k, (k > 0)::INT AS bought
FROM observed
WHERE r IS NOT NULL; -- had bought before the cut

CREATE OR REPLACE TEMP TABLE o_outlook AS
WITH pooled AS (
    -- no row, and so no outlook for anyone, where there is no observation
    SELECT sum(bought) / count(*) AS p0, sum(k) / count(*) AS d0, sum(n) / count(*) AS n0 FROM o_observations HAVING count(*) > 0
),
cells AS (
    SELECT
        r_cell, n_cell,
        (sum(bought) + 5 * any_value(p0)) / (count(*) + 5) AS p,
        (sum(k) + 5 * any_value(d0)) / (count(*) + 5) AS d,
        (sum(n) + 5 * any_value(n0)) / (count(*) + 5) AS n
    FROM o_observations CROSS JOIN pooled
    GROUP BY r_cell, n_cell
),
day_money AS (
    SELECT
        (SELECT sum(sales) FROM o_lines WHERE is_purchase)::DOUBLE / (SELECT count(*) FROM o_days) AS m
)
SELECT
    u.user_id,
    coalesce(c.p, pooled.p0) AS buy_probability_30d,
    coalesce(c.d, pooled.d0) * (u.active_days_90d + 1) / (coalesce(c.n, pooled.n0) + 1)
        * (l.purchase_money::DOUBLE + 2 * m) / (u.active_days_all + 2) AS expected_spend_30d
FROM o_day_figures u
JOIN o_line_figures l ON l.user_id = u.user_id
CROSS JOIN pooled
CROSS JOIN day_money
LEFT JOIN cells c
    ON c.r_cell = recency_cell(u.days_since_last) AND c.n_cell = frequency_cell(u.active_days_90d);

-- RFM: rank() - 1 is the number of buyers that are strictly worse ------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_rfm AS
WITH worse AS (
    SELECT
        d.user_id, d.days_since_first,
        count(*) OVER () AS buyers,
        rank() OVER (ORDER BY d.days_since_last DESC) - 1 AS less_recent,
        rank() OVER (ORDER BY d.active_days_365d) - 1 AS less_frequent,
        rank() OVER (ORDER BY floor(l.sales_365d)) - 1 AS less_money
    FROM o_day_figures d JOIN o_line_figures l ON l.user_id = d.user_id
)
SELECT
    user_id, days_since_first,
    1 + (5 * less_recent) // buyers AS r,
    1 + (5 * less_frequent) // buyers AS f,
    1 + (5 * less_money) // buyers AS m
FROM worse;

-- Campaigns, coupons and redemptions ----------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_received AS
SELECT DISTINCT trimmed(user_id) AS user_id, trimmed(campaign_id) AS campaign_id
FROM in_campaigns
WHERE NOT blank(in_campaigns.user_id) AND NOT blank(in_campaigns.campaign_id) AND starts_at::DATE < as_of();

CREATE OR REPLACE TEMP TABLE o_redeemed AS
SELECT DISTINCT
    trimmed(user_id) AS user_id, trimmed(campaign_id) AS campaign_id, trimmed(coupon_id) AS coupon_id, redeemed_at
FROM in_redemptions
WHERE NOT blank(in_redemptions.user_id) AND NOT blank(in_redemptions.campaign_id)
    AND NOT blank(in_redemptions.coupon_id) AND redeemed_at::DATE < as_of();

CREATE OR REPLACE TEMP TABLE o_campaign_figures AS
SELECT
    user_id,
    count(*) AS campaigns_received,
    count(*) FILTER ((user_id, campaign_id) IN (SELECT (user_id, campaign_id) FROM o_redeemed)) AS campaigns_responded
FROM o_received
GROUP BY user_id;

CREATE OR REPLACE TEMP TABLE o_offers AS
WITH carried AS (
    SELECT DISTINCT trimmed(campaign_id) AS campaign_id, trimmed(coupon_id) AS coupon_id
    FROM in_coupons
    WHERE NOT blank(in_coupons.coupon_id)
)
SELECT r.user_id, count(*) AS coupons_offered
FROM o_received r JOIN carried c ON c.campaign_id = r.campaign_id
GROUP BY r.user_id;

CREATE OR REPLACE TEMP TABLE o_redemption_figures AS
SELECT
    user_id,
    count(*) FILTER (redeemed_at::DATE >= as_of() - 90) AS coupons_redeemed_90d,
    count(*) AS coupons_redeemed_all,
    as_of() - max(redeemed_at::DATE) AS days_since_redemption
FROM o_redeemed
GROUP BY user_id;

-- Reviews -------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_review_figures AS
WITH written AS (
    SELECT trimmed(user_id) AS user_id, review_id, max(created_at::DATE) AS day
    FROM in_reviews
    WHERE NOT blank(in_reviews.user_id) AND review_id IS NOT NULL AND created_at::DATE < as_of()
    GROUP BY trimmed(in_reviews.user_id), review_id
)
SELECT
    w.user_id,
    count(*) AS reviews_written,
    avg(s.p_positive::DOUBLE - s.p_negative::DOUBLE) AS review_sentiment_mean,
    count(*) FILTER (s.label = 'negative') / nullif(count(s.review_id), 0) AS negative_review_share,
    as_of() - max(w.day) AS days_since_review
FROM written w LEFT JOIN in_review_sentiment s ON s.review_id = w.review_id
GROUP BY w.user_id;

-- Events --------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_event_figures AS
WITH counted_once AS (
    SELECT trimmed(user_id) AS user_id, event_type, event_time
    FROM in_events
    WHERE NOT blank(event_id) AND NOT blank(in_events.user_id)
        AND event_type IN ('view', 'cart', 'search', 'invitation')
        AND year(event_time) BETWEEN 2 AND 9998
        AND known(coalesce(ingested_at, event_time))
    QUALIFY row_number() OVER (
        PARTITION BY event_id
        ORDER BY coalesce(ingested_at, event_time) DESC, event_time DESC, trimmed(in_events.user_id) DESC, event_type DESC
    ) = 1
)
SELECT
    user_id,
    count(*) FILTER (event_type = 'view' AND event_time::DATE >= as_of() - 30) AS views_30d,
    count(*) FILTER (event_type = 'cart' AND event_time::DATE >= as_of() - 30) AS carts_30d,
    count(*) FILTER (event_type = 'search' AND event_time::DATE >= as_of() - 30) AS searches_30d,
    count(*) FILTER (event_type = 'invitation') AS invitations_all
FROM counted_once
WHERE event_time::DATE < as_of()
GROUP BY user_id;

-- One row per user that left any trace before as_of -------------------------------------------------------------------

CREATE OR REPLACE TEMP TABLE o_profiles AS
WITH everyone AS (
    SELECT user_id FROM o_line_figures
    UNION SELECT user_id FROM o_event_figures
    UNION SELECT user_id FROM o_campaign_figures
    UNION SELECT user_id FROM o_redemption_figures
    UNION SELECT user_id FROM o_review_figures
),
people AS (
    SELECT trimmed(user_id) AS user_id, age, income, household_size FROM in_users
    QUALIFY row_number() OVER (
        PARTITION BY trimmed(in_users.user_id)
        ORDER BY age DESC NULLS LAST, income DESC NULLS LAST, household_size DESC NULLS LAST
    ) = 1
)
SELECT
    e.user_id,
    -- recency
    d.days_since_last,
    d.days_since_first,
    coalesce(d.active_months, 0) AS active_months,
    -- frequency and money
    coalesce(l.sales_7d, 0) AS sales_7d,
    coalesce(l.sales_30d, 0) AS sales_30d,
    coalesce(l.sales_90d, 0) AS sales_90d,
    coalesce(l.sales_365d, 0) AS sales_365d,
    coalesce(l.sales_all, 0) AS sales_all,
    coalesce(b.baskets_7d, 0) AS baskets_7d,
    coalesce(b.baskets_30d, 0) AS baskets_30d,
    coalesce(b.baskets_90d, 0) AS baskets_90d,
    coalesce(b.baskets_365d, 0) AS baskets_365d,
    coalesce(b.baskets_all, 0) AS baskets_all,
    coalesce(d.active_days_7d, 0) AS active_days_7d,
    coalesce(d.active_days_30d, 0) AS active_days_30d,
    coalesce(d.active_days_90d, 0) AS active_days_90d,
    coalesce(d.active_days_365d, 0) AS active_days_365d,
    coalesce(d.active_days_all, 0) AS active_days_all,
    coalesce(l.units_7d, 0) AS units_7d,
    coalesce(l.units_30d, 0) AS units_30d,
    coalesce(l.units_90d, 0) AS units_90d,
    coalesce(l.units_365d, 0) AS units_365d,
    coalesce(l.units_all, 0) AS units_all,
    CASE WHEN l.sales_90d > 0 THEN l.sales_30d::DOUBLE / (l.sales_90d::DOUBLE / 3) END AS sales_trend,
    -- baskets
    b.basket_spend_mean,
    b.basket_spend_sd,
    b.basket_spend_max,
    b.basket_units_mean,
    b.basket_units_sd,
    b.basket_lines_mean,
    -- rhythm
    d.interval_mean,
    d.interval_sd,
    1 / (1 + d.interval_sd / d.interval_mean) AS interval_regularity,
    d.days_since_last / d.interval_mean AS overdue_ratio,
    b.weekday_share_mon,
    b.weekday_share_tue,
    b.weekday_share_wed,
    b.weekday_share_thu,
    b.weekday_share_fri,
    b.weekday_share_sat,
    b.weekday_share_sun,
    b.daypart_share_night,
    b.daypart_share_morning,
    b.daypart_share_afternoon,
    b.daypart_share_evening,
    -- affinity
    CASE WHEN has_products THEN coalesce(dep.top, []::VARCHAR[]) END AS top_departments,
    CASE WHEN has_products THEN dep.top_share END AS top_department_share,
    CASE WHEN has_products THEN dep.entropy END AS department_entropy,
    CASE WHEN has_products THEN coalesce(dep.bought, 0) END AS departments_bought,
    CASE WHEN has_products THEN coalesce(cat.top, []::VARCHAR[]) END AS top_categories,
    CASE WHEN has_products THEN cat.top_share END AS top_category_share,
    CASE WHEN has_products THEN cat.entropy END AS category_entropy,
    CASE WHEN has_products THEN coalesce(cat.bought, 0) END AS categories_bought,
    CASE WHEN has_products THEN coalesce(bra.top, []::VARCHAR[]) END AS top_brands,
    CASE WHEN has_products THEN bra.top_share END AS top_brand_share,
    CASE WHEN has_products THEN bra.entropy END AS brand_entropy,
    CASE WHEN has_products THEN coalesce(bra.bought, 0) END AS brands_bought,
    coalesce(pro.top, []::VARCHAR[]) AS top_products,
    coalesce(pro.bought, 0) AS products_bought,
    rep.repeat_product_share,
    CASE WHEN has_products THEN coalesce(l.unknown_product_sales, 0) END AS unknown_product_sales,
    -- price
    pri.price_level,
    coalesce(l.discount_all, 0) AS discount_all,
    CASE WHEN l.discount_all + l.purchase_money > 0
        THEN l.discount_all::DOUBLE / (l.discount_all + l.purchase_money)::DOUBLE
    END AS discount_share,
    l.discounted_lines / nullif(l.purchase_lines, 0) AS discounted_line_share,
    l.coupon_lines / nullif(l.purchase_lines, 0) AS coupon_line_share,
    CASE WHEN l.known_brand_money > 0
        THEN l.private_brand_money::DOUBLE / l.known_brand_money::DOUBLE
    END AS private_label_share,
    -- returns
    coalesce(l.return_lines, 0) AS return_lines,
    coalesce(l.returned_units, 0) AS returned_units,
    coalesce(l.returned_value, 0) AS returned_value,
    l.return_lines / nullif(l.return_lines + l.purchase_lines, 0) AS return_line_share,
    -- outlook
    out.buy_probability_30d,
    out.expected_spend_30d,
    -- segment
    rfm.r AS rfm_recency,
    rfm.f AS rfm_frequency,
    rfm.m AS rfm_monetary,
    CASE
        WHEN rfm.r IS NULL THEN 'no_purchase'
        WHEN rfm.r >= 4 AND rfm.f >= 4 AND rfm.m >= 4 THEN 'champions'
        WHEN rfm.days_since_first <= 60 AND rfm.f <= 2 THEN 'new_customers'
        WHEN rfm.r >= 3 AND rfm.f >= 4 THEN 'loyal'
        WHEN rfm.r >= 3 AND rfm.m >= 4 THEN 'big_spenders'
        WHEN rfm.r >= 4 THEN 'promising'
        WHEN rfm.r = 3 THEN 'needs_attention'
        WHEN rfm.f >= 4 OR rfm.m >= 4 THEN 'at_risk'
        WHEN rfm.r = 2 THEN 'hibernating'
        ELSE 'lost'
    END AS rfm_segment,
    -- campaigns
    CASE WHEN has_campaigns THEN coalesce(cam.campaigns_received, 0) END AS campaigns_received,
    CASE WHEN has_campaigns AND has_redemptions THEN coalesce(cam.campaigns_responded, 0) END AS campaigns_responded,
    CASE WHEN has_campaigns AND has_redemptions
        THEN cam.campaigns_responded / cam.campaigns_received
    END AS campaign_response_rate,
    CASE WHEN has_campaigns AND has_coupons THEN coalesce(off.coupons_offered, 0) END AS coupons_offered,
    CASE WHEN has_redemptions THEN coalesce(red.coupons_redeemed_90d, 0) END AS coupons_redeemed_90d,
    CASE WHEN has_redemptions THEN coalesce(red.coupons_redeemed_all, 0) END AS coupons_redeemed_all,
    red.days_since_redemption,
    -- reviews
    CASE WHEN has_reviews THEN coalesce(rev.reviews_written, 0) END AS reviews_written,
    rev.review_sentiment_mean,
    rev.negative_review_share,
    rev.days_since_review,
    -- events
    CASE WHEN has_events THEN coalesce(ev.views_30d, 0) END AS views_30d,
    CASE WHEN has_events THEN coalesce(ev.carts_30d, 0) END AS carts_30d,
    CASE WHEN has_events THEN coalesce(ev.searches_30d, 0) END AS searches_30d,
    CASE WHEN has_events THEN coalesce(ev.invitations_all, 0) END AS invitations_all,
    ev.carts_30d / nullif(ev.views_30d, 0) AS cart_rate_30d,
    coalesce(b.baskets_30d, 0) / nullif(ev.carts_30d, 0) AS purchase_rate_30d,
    -- demographics
    u.age,
    u.income,
    u.household_size
FROM everyone e
CROSS JOIN in_tables
LEFT JOIN o_line_figures l ON l.user_id = e.user_id
LEFT JOIN o_basket_figures b ON b.user_id = e.user_id
LEFT JOIN o_day_figures d ON d.user_id = e.user_id
LEFT JOIN o_affinity dep ON dep.user_id = e.user_id AND dep.kind = 'department'
LEFT JOIN o_affinity cat ON cat.user_id = e.user_id AND cat.kind = 'category'
LEFT JOIN o_affinity bra ON bra.user_id = e.user_id AND bra.kind = 'brand'
LEFT JOIN o_affinity pro ON pro.user_id = e.user_id AND pro.kind = 'product'
LEFT JOIN o_repeats rep ON rep.user_id = e.user_id
LEFT JOIN o_price_level pri ON pri.user_id = e.user_id
LEFT JOIN o_outlook out ON out.user_id = e.user_id
LEFT JOIN o_rfm rfm ON rfm.user_id = e.user_id
LEFT JOIN o_campaign_figures cam ON cam.user_id = e.user_id
LEFT JOIN o_offers off ON off.user_id = e.user_id
LEFT JOIN o_redemption_figures red ON red.user_id = e.user_id
LEFT JOIN o_review_figures rev ON rev.user_id = e.user_id
LEFT JOIN o_event_figures ev ON ev.user_id = e.user_id
LEFT JOIN people u ON u.user_id = e.user_id;
