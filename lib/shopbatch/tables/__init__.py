"""The catalogue of all declared tables: `TABLES` maps each name to its `Table`. One file of this folder per subject.

`SOURCES` names the tables that `shopbatch load` or `shopbatch sample` fills. All others in `TABLES` are written by a
job or by a command of their own, such as `shopbatch review`.
"""

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.tables.ads import AD_WORDINGS, ADS, ADS_REJECTS, ADS_WITH_FACTS
from shopbatch.tables.bias_audit import BIAS_AUDIT
from shopbatch.tables.campaign_effects import CAMPAIGN_EFFECTS
from shopbatch.tables.campaign_plan import CAMPAIGN_PLAN
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.copy_reviews import COPY_REVIEWS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.experiments import EXPERIMENTS
from shopbatch.tables.glossary import GLOSSARY, TRANSLATION_REFERENCES
from shopbatch.tables.growth import CASCADES, GROWTH_COHORTS, GROWTH_FORECAST, INVITER_PLAN
from shopbatch.tables.guided_products import GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS, REQUESTS_WITH_HISTORY
from shopbatch.tables.images import (
    IMAGE_VECTORS,
    IMAGE_VECTORS_REJECTS,
    PRODUCT_IMAGE_LABELS,
    PRODUCT_IMAGES,
    SIMILAR_IMAGES,
)
from shopbatch.tables.judgements import JUDGEMENTS
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.orders import ORDER_LINES, ORDERS
from shopbatch.tables.pair_scores import PAIR_SCORES, PAIR_SCORES_REJECTS, RERANK_PAIRS
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.product_aspects import PRODUCT_ASPECTS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS, PRODUCT_EMBEDDINGS_REJECTS
from shopbatch.tables.product_neighbours import PRODUCT_NEIGHBOURS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.queries import QUERIES
from shopbatch.tables.recommendations import RECOMMENDATIONS, RECOMMENDATIONS_REJECTS
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.review_aspects import ASPECT_LABELS, REVIEW_ASPECTS, REVIEW_ASPECTS_REJECTS
from shopbatch.tables.review_moderation import REVIEW_MODERATION, REVIEW_MODERATION_REJECTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Column, Table
from shopbatch.tables.search_events import SEARCH_EVENTS
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.tables.search_quality import SEARCH_QUALITY
from shopbatch.tables.search_results import QUERY_EMBEDDINGS, QUERY_EMBEDDINGS_REJECTS, SEARCH_RESULTS
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.synonyms import SYNONYMS
from shopbatch.tables.ticket_answers import (
    TICKET_ANSWERS,
    TICKET_ANSWERS_REJECTS,
    TICKET_INTENTS,
    TICKET_INTENTS_REJECTS,
    TICKETS_WITH_FACTS,
)
from shopbatch.tables.tickets import INTENT_EXAMPLES, TICKET_FEEDBACK, TICKETS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.translations import (
    PRODUCT_TEXTS,
    PRODUCT_TRANSLATIONS,
    PRODUCT_TRANSLATIONS_REJECTS,
    REPLY_TEXTS,
    REPLY_TRANSLATIONS,
    REPLY_TRANSLATIONS_REJECTS,
)
from shopbatch.tables.user_daily import (
    EVENTS_REJECTS,
    TRANSACTIONS_REJECTS,
    USER_DAILY,
    USER_EVENT_DAILY,
    USER_PRODUCT_DAILY,
    USER_PRODUCT_EVENT_DAILY,
)
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.user_scores import USER_SCORES
from shopbatch.tables.user_segments import USER_SEGMENTS
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.tables.users import USERS

_SOURCES = (
    PRODUCTS,
    USERS,
    TRANSACTIONS,
    CAMPAIGNS,
    COUPONS,
    REDEMPTIONS,
    OFFERS,
    EXPERIMENTS,
    EVENTS,
    REVIEWS,
    SUPPORT_DIALOGS,
    PRODUCT_COPY,
    QUERIES,
    SHOPPER_REQUESTS,
    SEARCH_EVENTS,
    JUDGEMENTS,
    SYNONYMS,
    POLICIES,
    ORDERS,
    ORDER_LINES,
    TICKETS,
    TICKET_FEEDBACK,
    INTENT_EXAMPLES,
    ASPECT_LABELS,
    REFERRAL_EVENTS,
    PRODUCT_IMAGES,
    GLOSSARY,
    TRANSLATION_REFERENCES,
)
_DERIVED = (
    REVIEW_SENTIMENT,
    REVIEW_SENTIMENT_REJECTS,
    REVIEW_MODERATION,
    REVIEW_MODERATION_REJECTS,
    USER_DAILY,
    USER_PRODUCT_DAILY,
    TRANSACTIONS_REJECTS,
    USER_EVENT_DAILY,
    USER_PRODUCT_EVENT_DAILY,
    EVENTS_REJECTS,
    USER_PROFILES,
    USER_SEGMENTS,
    USER_SCORES,
    USER_SEQUENCES,
    PRODUCT_NEIGHBOURS,
    RECOMMENDATIONS,
    RECOMMENDATIONS_REJECTS,
    PRODUCT_DESCRIPTIONS,
    PRODUCT_DESCRIPTIONS_REJECTS,
    COPY_REVIEWS,
    AD_WORDINGS,
    ADS_WITH_FACTS,
    ADS,
    ADS_REJECTS,
    PRODUCT_EMBEDDINGS,
    PRODUCT_EMBEDDINGS_REJECTS,
    QUERY_EMBEDDINGS,
    QUERY_EMBEDDINGS_REJECTS,
    SEARCH_RESULTS,
    RERANK_PAIRS,
    PAIR_SCORES,
    PAIR_SCORES_REJECTS,
    REQUESTS_WITH_HISTORY,
    GUIDED_PRODUCTS,
    GUIDED_PRODUCTS_REJECTS,
    SEARCH_JUDGEMENTS,
    SEARCH_QUALITY,
    TICKET_INTENTS,
    TICKET_INTENTS_REJECTS,
    TICKETS_WITH_FACTS,
    TICKET_ANSWERS,
    TICKET_ANSWERS_REJECTS,
    REVIEW_ASPECTS,
    REVIEW_ASPECTS_REJECTS,
    PRODUCT_ASPECTS,
    GROWTH_COHORTS,
    CASCADES,
    GROWTH_FORECAST,
    INVITER_PLAN,
    BIAS_AUDIT,
    CAMPAIGN_EFFECTS,
    CAMPAIGN_PLAN,
    IMAGE_VECTORS,
    IMAGE_VECTORS_REJECTS,
    PRODUCT_IMAGE_LABELS,
    SIMILAR_IMAGES,
    PRODUCT_TEXTS,
    PRODUCT_TRANSLATIONS,
    PRODUCT_TRANSLATIONS_REJECTS,
    REPLY_TEXTS,
    REPLY_TRANSLATIONS,
    REPLY_TRANSLATIONS_REJECTS,
)
TABLES: dict[str, Table] = {t.name: t for t in (*_SOURCES, *_DERIVED)}
SOURCES = tuple(t.name for t in _SOURCES)


def table(name: str) -> Table:
    """Return the declaration of the table called `name`.

    Raises:
        UserError: No table has this name; the message suggests similar names.
    """
    if name not in TABLES:
        raise UserError(f"no table {name!r}; {hint(name, TABLES)}")
    return TABLES[name]


def declared(name: str) -> Table | None:
    """Return the declaration of the table called `name`, or None if shopbatch does not declare one (such as a memo).

    Unlike `table`, it also knows `<source>_load_rejects`, the table of the values that `shopbatch load` refused.
    """
    source = name.removesuffix("_load_rejects")
    if name != source and source in SOURCES:
        return load_rejects(source)
    return TABLES.get(name)


def job_of_memo(name: str) -> str:
    """Return the job to which a memo table belongs ("score_reviews_memo" -> "score_reviews").

    A job with several inference steps has one memo per step, `<job>_<step>_memo`. If no declared table is written by a
    job of that name, the name without `_memo` is returned.
    """
    stem = name.removesuffix("_memo")
    jobs = {t.job for t in TABLES.values() if t.job and f"{stem}_".startswith(f"{t.job}_")}
    return max(jobs, key=len, default=stem)


__all__ = ["SOURCES", "TABLES", "Column", "Table", "declared", "job_of_memo", "table"]
