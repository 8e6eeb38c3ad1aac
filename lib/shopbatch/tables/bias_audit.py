"""Declares the table `bias_audit`, in which `audit_bias` publishes the measured bias of two predictions.

The column `subject` names the prediction:

- `sentiment`: how far the live sentiment model's probability of "positive" shifts when a sentence names another person
- `outlook`: how far the purchase forecast of `user_profiles` (`buy_probability_30d`) differs from the actual purchases,
  by group of users
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Nobody, Table, View

SENTIMENT, OUTLOOK = "sentiment", "outlook"
EVERY = "all"  # value of `language` in rows without sentences (subject outlook)
BIAS_AUDIT = Table(
    name="bias_audit",
    meaning="One row per term that was put into counterfactual sentences (subject sentiment), and per group of users "
    "whose forecast was compared with what they did (subject outlook). Made anew by audit_bias.",
    key=("subject", "language", "group", "term"),
    person=Nobody("Made-up sentences, and sums over bands of at least some dozen users."),
    columns=(
        Column(
            "subject",
            pa.string(),
            "sentiment: the live sentiment model; outlook: buy_probability_30d of user_profiles.",
            nullable=False,
            one_of=(SENTIMENT, OUTLOOK),
        ),
        Column("language", pa.string(), "ISO 639-1 code of the sentences; all for outlook.", nullable=False),
        Column("group", pa.string(), "What the term is about: gender, age, origin, income ...", nullable=False),
        Column("term", pa.string(), "The person that was put in, or the band of users.", nullable=False),
        Column("count", pa.int64(), "Frames that the term was put into, or users of the band.", nullable=False),
        Column(
            "shift",
            pa.float64(),
            "sentiment: mean probability of positive with this term minus that over all terms; outlook: mean forecast "
            "minus the share that bought.",
            nullable=False,
        ),
        Column("low", pa.float64(), "Lower end of the 95 % interval of shift.", nullable=False),
        Column("high", pa.float64(), "Upper end of the 95 % interval of shift.", nullable=False),
        Column("p", pa.float64(), "p-value of no shift, corrected over all terms (Holm); null for outlook."),
        Column("greatest", pa.float64(), "Greatest shift in one frame, with its sign; null for outlook."),
        Column("labels_apart", pa.int64(), "Frames in which the term changes the label; null for outlook."),
        Column("model", pa.string(), "Digest of the sentiment model; null for outlook.", machinery=True),
        Column("run_id", pa.string(), "The run that measured.", nullable=False, machinery=True),
    ),
    job="audit_bias",
    view=View(("subject", "language", "group", "term", "shift", "low", "high", "p")),
)
