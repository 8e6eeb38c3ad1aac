"""The language of a text without a language column: by its script, or by a classifier that may say nothing."""

from pathlib import Path

import pyarrow as pa

from shopbatch.text import language as module
from shopbatch.text.language import guess_language

SHORT = {
    "de": (
        *("Sehr gute Qualität, gerne wieder.", "Leider nach zwei Wochen kaputt."),
        *("Die Lieferung kam schnell und war gut verpackt.", "Passt perfekt, meine Tochter liebt das Kleid."),
        *("Der Stoff ist dünn und kratzt.", "Nicht zu empfehlen.", "Super Produkt!"),
        *("Das Gerät ist viel zu laut und wird heiß.", "Alles bestens, vielen Dank."),
        *("Farbe stimmt nicht mit dem Bild überein.", "Preis und Leistung stimmen hier."),
        *("Bin sehr zufrieden mit dem Kauf.",),
    ),
    "fr": (
        *("Très bon produit, je recommande.", "La livraison était en retard."),
        *("La couleur ne correspond pas à la photo.", "Taille trop petit, je suis déçue."),
        *("Excellent rapport qualité prix.", "Cassé après une semaine.", "Parfait pour l'été."),
        *("Je ne suis pas du tout satisfait.", "Le tissu est doux et agréable.", "Merci, ma fille adore."),
        *("Mauvaise qualité.", "Conforme à la description."),
    ),
    "es": (
        *("Muy buen producto, lo recomiendo.", "Llegó roto y nadie responde.", "La talla es demasiado pequeña."),
        *("Excelente calidad y buen precio.", "No funciona.", "Estoy muy contenta con la compra."),
        *("El color no es como en la foto.", "Envío rápido, todo perfecto.", "Me encanta este vestido."),
        *("Mala calidad, no lo compren.", "Cumple con lo esperado.", "La batería dura poco."),
    ),
    "it": (
        *("Ottimo prodotto, lo consiglio.", "Arrivato rotto.", "La taglia è troppo piccola."),
        *("Bellissimo, mia figlia lo adora.", "Non funziona bene.", "Spedizione veloce e imballaggio perfetto."),
        *("Il colore è diverso dalla foto.", "Sono molto soddisfatta.", "Qualità scarsa per questo prezzo."),
        *("Tessuto morbido e leggero.", "Soldi buttati.", "Perfetto, grazie mille."),
    ),
    "nl": (
        *("Goed product, zeker een aanrader.", "Na een week al kapot.", "De levering was snel."),
        *("De maat valt te klein uit.", "Erg blij mee.", "Slechte kwaliteit, niet kopen."),
        *("Mooie jurk en fijne stof.", "Het werkt niet.", "De kleur is anders dan op de foto."),
        *("Prima prijs en goede service.", "Mijn dochter vindt het geweldig.", "Helaas niet wat ik had verwacht."),
    ),
    "en": (
        *("Great product, would buy again.", "Broke after two weeks.", "Too small for me.", "I love it!"),
        *("The fabric is thin and itchy.", "Fast delivery, well packed.", "Not worth the money."),
        *("Works as expected.", "The colour is different from the picture.", "Very soft.", "Waste of money."),
        *("My daughter loves this dress.",),
    ),
}


def guesses(*texts: str | None) -> list[str | None]:
    return guess_language(pa.array(texts, pa.string())).to_pylist()


def test_short_reviews_are_recognised_or_left_open() -> None:
    right = 0
    for language, texts in SHORT.items():
        said = guesses(*texts)
        assert set(said) <= {language, None}, list(zip(texts, said, strict=True))
        right += said.count(language)
    assert right == 70  # of 72


def test_a_script_decides_before_the_classifier_and_names_alone_say_nothing() -> None:
    assert guesses("很好，我喜欢", "最高です", "좋아요 정말", "Очень хороший товар, рекомендую") == [
        "zh",
        "ja",
        "ko",
        "ru",
    ]
    assert guesses("Adidas Samba 42", "ok", "XXL", "👍👍", "5/5", "", None) == [None] * 7


def test_a_guess_depends_on_the_text_alone() -> None:
    texts = [text for each in SHORT.values() for text in each]
    assert guesses(*texts) == [guesses(text)[0] for text in texts]
    assert guesses(texts[0].upper() + " " + "x" * 10_000) == guesses(texts[0].upper() + " " + "x" * 9_000)


def test_all_languages_come_from_one_module() -> None:
    package = Path(module.__file__).parents[1]
    texts = {path.relative_to(package).as_posix(): path.read_text("utf-8") for path in package.rglob("*.py")}
    readers = {name for name, text in texts.items() if "from py3langid" in text}
    assert readers == {"text/language.py"}
