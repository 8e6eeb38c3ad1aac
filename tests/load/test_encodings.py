"""The encoding of a file is recognised for certain, or the user is asked: no text is read that was not written."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store

CHINESE = ("质量很好，下次还买", "物流太慢了，差评", "模型", "联通", "茅台", "猫", "很好用，推荐")
JAPANESE = ("とても良い商品です", "配送が遅かったです", "サイズが小さい", "最高です、また買います", "品質が悪い")
KOREAN = ("정말 좋은 제품입니다", "배송이 너무 늦었어요", "사이즈가 작아요", "다시 살 거예요", "품질이 나빠요")
TRADITIONAL = ("品質很好，下次還會購買", "物流太慢了", "顏色與圖片不同", "非常滿意", "客服態度親切")
GERMAN = ("Größe paßt", "Schöne Farbe, würde ich wieder kaufen", "Zu klein für mich", "Müll", "Ärger mit dem Händler")
POLISH = ("świetna jakość", "złoty łańcuszek", "za mała", "żółty, ale ładny")
RUSSIAN = ("хороший товар", "плохо", "очень доволен")
TURKISH = ("çok güzel ürün", "hızlı kargo, teşekkürler", "küçük geldi, kırık")


def write(path: Path, texts: tuple[str, ...], encoding: str) -> None:
    lines = ["review_id,text,rating", *(f'{i},"{text}",4' for i, text in enumerate(texts))]
    path.write_bytes("\n".join(lines).encode(encoding))


def texts(store: Store) -> list[str]:
    return [r["text"] for r in store.snapshot("reviews").read(["text"]).to_pylist()]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", CHINESE), ("utf-8-sig", KOREAN), ("gb18030", CHINESE), ("gbk", CHINESE[2:6]), ("utf-16", JAPANESE),
        ("utf-16-le", GERMAN), ("utf-16-be", GERMAN), ("cp1252", GERMAN), ("ascii", ("fine", "bad")),
    ],
)  # fmt: skip
def test_what_is_recognised(store: Store, tmp_path: Path, encoding: str, written: tuple[str, ...]) -> None:
    write(tmp_path / "a.csv", written, encoding)
    load_file(store, "reviews", tmp_path / "a.csv")
    assert texts(store) == list(written)


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("cp1250", POLISH), ("cp1251", RUSSIAN), ("cp1254", TURKISH), ("shift_jis", JAPANESE), ("euc_jp", JAPANESE),
        ("euc_kr", KOREAN), ("big5", TRADITIONAL),
    ],
)  # fmt: skip
def test_what_the_user_is_asked_for(store: Store, tmp_path: Path, encoding: str, written: tuple[str, ...]) -> None:
    path = tmp_path / "a.csv"
    write(path, written, encoding)
    with pytest.raises(UserError, match=r"are not UTF-8 either; say what the file is: --encoding cp1252"):
        load_file(store, "reviews", path)
    assert not store.exists("reviews")
    assert load_file(store, "reviews", path, Options(encoding=encoding)).rows_rejected == 0
    assert texts(store) == list(written)


def test_a_few_damaged_lines_are_refused_one_by_one(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, GERMAN * 10, "utf-8")
    path.write_bytes(path.read_bytes().replace("Müll".encode(), b"M\xfcll", 1))
    report = load_file(store, "reviews", path)
    assert (report.rows_loaded, report.reasons) == (49, {"text: invalid_utf8": 1})
    assert report.rejects[0].line == 5


def test_a_wrong_encoding_of_the_user_loads_nothing_that_is_not_there(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, CHINESE, "gb18030")
    with pytest.raises(UserError, match="rows do not fit"):
        load_file(store, "reviews", path, Options(encoding="utf-8"))
    assert not store.exists("reviews")
