"""Numbers and units of five languages: one table of what texts state."""

from __future__ import annotations

import pytest

from shopbatch.text.amounts import amounts

SAME = "2|500 milliliter|20 centimeter|30 centimeter|1299.5 usd|14 day"
STATED = [
    ("en", "Two bottles of 500 ml, 20 x 30 cm, $1,299.50, within 14 days", SAME),
    ("es", "Dos botellas de 500 ml, 20 x 30 cm, 1.299,50 $, en 14 días", SAME),
    ("de", "Zwei Flaschen zu 500 ml, 20 x 30 cm, 1.299,50 $, binnen 14 Tagen", SAME),
    ("fr", "Deux flacons de 500 ml, 20 x 30 cm, 1 299,50 $, sous 14 jours", SAME),
    ("zh", "两瓶500毫升，20×30厘米，1,299.50美元，14天内", SAME),
    ("en", "thirty-two pieces by 5 pm on March 3", "32|1020 clock|3 month_name|3"),
    ("es", "treinta y dos piezas antes de las 17:00 del 3 de marzo", "32|1020 clock|3|3 month_name"),
    ("de", "zweiunddreißig Teile bis 17 Uhr am 3. März", "32|1020 clock|3|3 month_name"),
    ("fr", "trente-deux pièces avant 17 h le 3 mars", "32|1020 clock|3|3 month_name"),
    ("zh", "3月3日下午5点前送达三十二件", "3 month_name|3|1020 clock|32"),
    ("fr", "quatre-vingt-dix-neuf euros", "99 eur"),
    ("de", "ein 500-g-Beutel, zweihundertfünfzig Gramm, dreiteilig", "500 gram|250 gram|3"),
    ("zh", "全场八五折，三成新，百分之二十", "15/85 percent|30 percent|20 percent"),
    ("en", "one and a half litres, a minute and a half", "1.5 liter|1.5 minute"),
    ("es", "1.500 g", "1500/1.5 gram"),
    ("zh", "不锈钢，一起，十分方便，1.5万人", "15000"),
    ("en", "model XJ-200 with USB-C, A4, 2-in-1", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "stated"), STATED)
def test_texts_state_these_numbers(language: str, text: str, stated: str) -> None:
    said = [
        "/".join(f"{v:g}" for v in a.values) + (f" {a.unit}" if a.unit else "")
        for a in amounts(text, language)
        if not a.loose
    ]
    assert "|".join(said) == stated
