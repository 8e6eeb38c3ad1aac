"""What generated reviews are made of: English and Chinese phrases for each sentiment, as Arrow banks to take from.

Called by `generated_reviews`. Every bank's size is a power of two, so that a row number's bits choose the phrases:
different rows get different texts by construction. Phrases of one bank are all different.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
ENGLISH, CHINESE = 0, 1
SENTIMENTS = ("negative", "neutral", "positive")
LANGUAGES = ("en", "zh")
OPENING_BITS, STORY_BITS, DETAIL_BITS, CLOSING_BITS, TITLE_BITS, EXTRA_BITS = 10, 10, 10, 4, 6, 6
TEXT_BITS = OPENING_BITS + STORY_BITS + DETAIL_BITS + CLOSING_BITS
BLANKS = ("", " ", "\n", "\u3000")
EMOJI = (("😡", "👎", "😞💔", "🤮"), ("😐", "🤷", "🙂", "😶"), ("😍", "👍👍", "❤️🎉", "🥰"))

NOUNS = (
    "dress|kettle|backpack|desk lamp|jacket|blender|pillow|headset|mug set|office chair|raincoat|phone case|yoga mat"
    "|coffee grinder|wool scarf|toaster",
    "连衣裙|电热水壶|双肩包|台灯|外套|榨汁机|枕头|耳机|马克杯|办公椅|雨衣|手机壳|瑜伽垫|咖啡机|围巾|烤面包机",
)
VERBS = ("is|was|turned out to be|proved to be", "|真的|用下来|总的来说")
JUDGEMENTS = (
    (
        "terrible|a disappointment|badly made|useless|awful|a waste of money|far too flimsy|poorly finished"
        "|broken on arrival|nothing like the picture|uncomfortable|cheaply made|a mistake|worse than expected"
        "|defective|not worth the price",
        "okay|average|acceptable|nothing special|so-so|neither good nor bad|fine for the price|usable|ordinary"
        "|a mixed bag|decent enough|alright|passable|middling|about what I expected|plain",
        "wonderful|excellent|beautiful|fantastic|perfect|lovely|superb|a joy to use|exactly what I wanted"
        "|better than expected|very comfortable|worth every penny|a great find|impressive|well made|my new favourite",
    ),
    (
        "很差|太让人失望了|做工粗糙|没什么用|非常糟糕|浪费钱|一点都不结实|质量低劣|到手就坏了|和图片完全不一样|很不舒服"
        "|很廉价|买错了|比想象的差|有毛病|不值这个价",
        "还可以|一般|能接受|没什么特别|马马虎虎|不好也不坏|对得起价格|能用|很普通|有好有坏|凑合|还行|勉强合格|中规中矩"
        "|和预期差不多|比较平淡",
        "非常好|特别棒|很漂亮|太完美了|让人惊喜|很可爱|质量一流|用着很开心|正是我想要的|比想象的好|很舒服|物超所值"
        "|值得拥有|令人满意|做工精细|是我的最爱",
    ),
)
WHOM = (
    "my sister|my mother|my father|my brother|my husband|my wife|my daughter|my son|a friend|a colleague|myself"
    "|the office|our kitchen|the holidays|my flatmate|a birthday",
    "姐姐|妈妈|爸爸|弟弟|老公|老婆|女儿|儿子|朋友|同事|自己|公司|家里|假期|室友|生日",
)
WHEN = (
    "in January|in spring|last week|two months ago|during the sale|on a Friday|before my trip|in autumn",
    "一月份|春天|上周|两个月前|打折时|周五|出差前|秋天",
)
WHY = (
    "after reading the reviews|because the old one wore out|on a friend's advice|without expecting much"
    "|after comparing five shops|because of the colour|since it was in stock|to try something new",
    "看了评价|旧的用坏了|朋友推荐|没抱太大期望|对比了好几家|喜欢颜色|正好有货|想换个新的",
)
PARTS = (
    "fabric|stitching|colour|size|handle|packaging|zipper|finish|weight|smell|delivery|design|material|price|lining"
    "|manual",
    "面料|缝线|颜色|尺寸|把手|包装|拉链|做工|重量|气味|物流|设计|材料|价格|内衬|说明书",
)
TONES = (" The| To be honest, the| I noticed that the| For the money, the", "|说实话，|我发现|就这个价位，")
FINDINGS = (
    (
        "is awful|fell apart within days|is not as described|feels cheap|was damaged|disappoints|is a real problem"
        "|was the worst part|annoys me every day|is far below standard|made me angry|is just bad|could hardly be worse"
        "|gave up after a week|looks sloppy|ruined it for me",
        "is average|does its job|is neither here nor there|is okay|could be better, could be worse|is ordinary"
        "|is what you pay for|is tolerable|did not stand out|is fair|is unremarkable|is standard|has its ups and downs"
        "|is as described|left me indifferent|is medium",
        "is excellent|is better than I hoped|feels great|looks gorgeous|impressed me|is first class|is a pleasure"
        "|could not be better|exceeded my expectations|is flawless|made me smile|is a big plus|is top quality"
        "|still looks new|is outstanding|won me over",
    ),
    (
        "太差了|几天就坏了|和描述不符|感觉很廉价|有破损|让人失望|是个大问题|最糟糕|每天都让我心烦|远低于标准|让我很生气"
        "|就是不行|差到不能再差|一周就报废了|很马虎|毁了一切",
        "一般般|够用|无功无过|还行|有待提高|普普通通|一分价钱一分货|可以忍受|不突出|尚可|没什么亮点|算标准|有优点也有缺点"
        "|和描述一致|没什么感觉|中等水平",
        "非常好|比我希望的还好|手感很棒|特别漂亮|让我印象深刻|一流|让人愉快|好得没话说|超出预期|无可挑剔|让我很开心"
        "|是一大亮点|品质上乘|用了很久还像新的|十分出色|征服了我",
    ),
)
CLOSINGS = (
    (
        " I sent it back.| Do not buy it.| I want a refund.| Never again.| Save your money.| I regret this purchase."
        "| Stay away from it.| Zero stars if I could.| It went straight to the bin.| I cannot recommend it."
        "| Customer service did not help.| Very unhappy.| I feel cheated.| Avoid.| It is being returned tomorrow."
        "| What a letdown.",
        " I might keep it.| It will do.| Not sure I would buy it again.| Three stars from me.| Make up your own mind."
        "| It depends on what you need.| I have no strong feelings.| Neither happy nor unhappy.| Fine, I suppose."
        "| Time will tell.| Some will like it, some will not.| It is what it is.| Good enough for now."
        "| I expected a bit more.| Let us leave it at that.| No more, no less.",
        " I would buy it again.| Highly recommended.| Five stars.| I love it.| Thank you!| Do not hesitate."
        "| Everyone asks where I got it.| I could not be happier.| I have already ordered a second one."
        "| A wonderful purchase.| It made my day.| Great shop, too.| Simply the best.| Very satisfied."
        "| I will be back.| Buy it!",
    ),
    (
        "已经退货了。|千万别买。|要求退款。|再也不会来了。|别浪费钱。|后悔买了。|大家避开吧。|零分都嫌多。|直接扔了。|不推荐。"
        "|客服也不解决问题。|非常不满意。|感觉被骗了。|差评。|明天就退掉。|太失望了。",
        "先留着吧。|凑合用吧。|不一定会再买。|给三星。|见仁见智。|看个人需要吧。|没什么特别的感觉。|谈不上满意不满意。|还行吧。"
        "|以后再看。|有人喜欢有人不喜欢。|就这样吧。|暂时够用。|本来期望更高一点。|先说这么多。|不多不少。",
        "下次还会买。|强烈推荐。|五星好评。|太喜欢了。|谢谢卖家！|放心买。|大家都问我在哪买的。|开心极了。|已经又下了一单。"
        "|很棒的购物体验。|一天的心情都好了。|店家也很好。|最好的选择。|非常满意。|会再来的。|赶紧买吧！",
    ),
)
TITLE_FORMS = ("{}|{}!|In short: {}|Verdict: {}", "{}|{}！|一句话：{}|总结：{}")


@dataclass(frozen=True)
class Banks:
    """Arrow string banks. Those of a sentiment hold (language, sentiment) blocks; story and extras, language blocks."""

    opening: pa.Array
    story: pa.Array
    detail: pa.Array
    closing: pa.Array
    title: pa.Array
    extra: pa.Array  # four kinds of 16 for each language; the last entry is empty: no extra sentence
    emoji: pa.Array  # by sentiment; the last entry is empty
    blank: pa.Array


@lru_cache(maxsize=1)
def banks() -> Banks:
    """All banks, built once."""
    both = (ENGLISH, CHINESE)
    cases = tuple(itertools.product(both, (NEGATIVE, NEUTRAL, POSITIVE)))
    return Banks(
        opening=_bank(OPENING_BITS, [_openings(lang, mood) for lang, mood in cases]),
        story=_bank(STORY_BITS, [_stories(lang) for lang in both]),
        detail=_bank(DETAIL_BITS, [_details(lang, mood) for lang, mood in cases]),
        closing=_bank(CLOSING_BITS, [CLOSINGS[lang][mood].split("|") for lang, mood in cases]),
        title=_bank(TITLE_BITS, [_titles(lang, mood) for lang, mood in cases]),
        extra=pa.array([*_extras_en(), *_extras_zh(), ""]),
        emoji=pa.array([*itertools.chain(*EMOJI), ""]),
        blank=pa.array(BLANKS),
    )


def _bank(bits: int, blocks: list[list[str]]) -> pa.Array:
    for block in blocks:
        if len(block) != 2**bits or len(set(block)) != 2**bits:
            raise ValueError(f"a bank of 2**{bits} different phrases has {len(block)} ({len(set(block))} different)")
    return pa.array([phrase for block in blocks for phrase in block])


def _openings(lang: int, mood: int) -> list[str]:
    parts = itertools.product(NOUNS[lang].split("|"), VERBS[lang].split("|"), JUDGEMENTS[lang][mood].split("|"))
    return [f"The {n} {v} {j}." if lang == ENGLISH else f"这个{n}{v}{j}。" for n, v, j in parts]


def _stories(lang: int) -> list[str]:
    parts = itertools.product(WHOM[lang].split("|"), WHEN[lang].split("|"), WHY[lang].split("|"))
    return [f" I bought it for {a} {b} {c}." if lang == ENGLISH else f"{b}给{a}买的，{c}。" for a, b, c in parts]


def _details(lang: int, mood: int) -> list[str]:
    parts = itertools.product(TONES[lang].split("|"), PARTS[lang].split("|"), FINDINGS[lang][mood].split("|"))
    return [f"{t} {p} {f}." if lang == ENGLISH else f"{t}{p}{f}。" for t, p, f in parts]


def _titles(lang: int, mood: int) -> list[str]:
    parts = itertools.product(TITLE_FORMS[lang].split("|"), JUDGEMENTS[lang][mood].split("|"))
    titles = [form.format(judgement) for form, judgement in parts]
    return [t[0].upper() + t[1:] for t in titles]


def _extras_en() -> list[str]:
    return [
        *(f" Delivery took {n} days." for n in range(2, 18)),
        *(f" I have used it {n} times so far, mostly at home and now and then at work." for n in range(3, 19)),
        *(f" I am {n} cm tall and ordered the size that the chart gives for that." for n in range(152, 184, 2)),
        *(f" It came in a box of about {n} centimetres with a paper slip inside." for n in range(20, 52, 2)),
    ]


def _extras_zh() -> list[str]:
    return [
        *(f"快递用了{n}天。" for n in range(2, 18)),
        *(f"到现在用了{n}次，主要在家里用，偶尔带到公司。" for n in range(3, 19)),
        *(f"身高{n}厘米，按照尺码表选的号。" for n in range(152, 184, 2)),
        *(f"用大约{n}厘米的盒子装的，里面有一张小卡片。" for n in range(20, 52, 2)),
    ]
