"""What is said around a question and a reply, whatever they are about: in English and in Chinese. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PLAIN, POLITE, UPSET, BRIEF = "plain", "polite", "upset", "brief"


@dataclass(frozen=True)
class Phrases:
    """openers, closers: of a question, by mood (one that ends in a colon needs a question). contexts: by `about`.

    greetings: of a reply, by mood; those with {item} where one was named. noted: where an order was; wanted: where
    none was. goods: by kind, as `Intent.goods` has it. orders: how an order's number is written.
    span: least and greatest length of a reply.
    """

    openers: Mapping[str, tuple[str, ...]]
    closers: Mapping[str, tuple[str, ...]]
    contexts: Mapping[str, tuple[str, ...]]
    greetings: Mapping[str, tuple[str, ...]]
    noted: tuple[str, ...]
    wanted: tuple[str, ...]
    endings: tuple[str, ...]
    orders: tuple[str, ...]
    colours: tuple[str, ...]
    goods: Mapping[str, tuple[str, ...]]
    months: tuple[str, ...]
    date: str
    glue: str
    span: tuple[int, int]


_EN_WORN = (
    "rain jacket", "wool scarf", "running shirt", "winter coat", "sun hat", "skirt", "bike helmet", "belt", "cardigan",
    "dress", "fleece vest", "swimsuit",
)  # fmt: skip
_EN_DEVICES = (
    "desk lamp", "kettle", "coffee grinder", "toaster", "headset", "blender", "alarm clock", "keyboard", "power bank",
    "rice cooker", "hair dryer", "speaker",
)  # fmt: skip
_EN_OTHER = (
    "backpack", "yoga mat", "office chair", "phone case", "pillow", "suitcase", "water bottle", "bath towel", "tea set",
    "bread box", "tent", "frying pan", "wall shelf", "dog bed", "camera bag", "garden hose",
)  # fmt: skip
_EN_THANKS = (
    "[Thank you|Thanks] for [your message|writing to us|getting in touch|your question].",
    "[Thank you|Thanks] for asking about the {item}.",
    "[Hello|Hi|Hello there], [thank you|thanks] for [your message|asking|contacting us].",
)
ENGLISH = Phrases(
    openers={
        PLAIN: ("", "", "Hi,", "Hello,", "Hello there,", "[Good morning|Good afternoon|Good evening],"),
        POLITE: (
            "Dear [support|customer service|] team, I [hope you can help me|have a question].",
            "[Hello|Good day], I [would like to ask you something|have a small question].",
            "[Excuse me|Sorry to bother you], I have a question:",
        ),
        UPSET: (
            "[This is|That is] [really annoying|not acceptable|very disappointing].",
            "I am [quite|really|very] [disappointed|annoyed|unhappy].",
            "I [wrote|have written] twice [already|] and [got no answer|nobody answered].",
            "Not what I [expect|expected] from your shop!",
        ),
        BRIEF: ("[Quick|Short|Just one] question:", "[Hey|Hi],", "In a hurry:", ""),
    },
    closers={
        PLAIN: ("", "", "[Thanks|Thank you]!", "Please let me know."),
        POLITE: (
            "[Thank you|Many thanks] [in advance|for your help|for your time]!",
            "I [look forward to|would be glad of] your [answer|reply].",
            "[Kind|Best] regards",
        ),
        UPSET: (
            "[Please answer|I expect an answer] [soon|today|quickly].",
            "[Otherwise|Or] I will shop elsewhere.",
            "",
            "[Do something|Please fix this]!",
        ),
        BRIEF: ("", "", "[Thx|Thanks]", "asap please"),
    },
    contexts={
        "order": (
            "My order number is {order}.",
            "It is about order {order}.",
            "[Order|The order is] {order}.",
            "I ordered the {item}, order {order}.",
            "I ordered on {date}, the number is {order}.",
            "This concerns [my order|order number] {order}.",
            "I [bought|ordered] it on {date}.",
            "The order was placed on {date}.",
            "It is about the {item}.",
        ),
        "product": (
            "I am looking at the {item}.",
            "I [would like|want|am thinking of ordering] the {item}.",
            "[It is|This is] about the {item}.",
            "I have not ordered [from you|in your shop] before.",
        ),
        "shop": (
            "I am [new here|a new customer].",
            "I have been [a customer|ordering from you] for [years|a long time].",
            "I could not find [it|anything about that] on your pages.",
            "[My friend|A colleague] could not tell me.",
        ),
    },
    greetings={
        PLAIN: _EN_THANKS,
        POLITE: (
            *_EN_THANKS,
            "Hello, [we are glad to help|it is a pleasure to help|of course we can help].",
            "[Thank you|Many thanks] for your [kind|friendly] message.",
        ),
        UPSET: (
            "[I am|We are] [very|really|] sorry [for the trouble|about this|that you had this trouble].",
            "[Please accept our apologies|We apologise] [for the inconvenience|for that].",
            "[I am|We are] sorry about the trouble with the {item}.",
            "I [understand|can see] that this is annoying, and I am sorry.",
        ),
        BRIEF: ("[Hi|Hello]!", "[Hi|Hello], [gladly|of course|here is the short answer].", "[Sure|Certainly]!"),
    },
    noted=(
        "I have noted [your order|the order number|order] {order}.",
        "[Thank you for giving|Thanks for] the order number {order}.",
        "I have [linked|added] your message to order {order}.",
        "Your [message|request] about order {order} [has reached us|is with our team].",
    ),
    wanted=(
        "[Please send|Send] us your order number [so that we can look|if you need more help].",
        "If you tell us the order number, we can [check it|look into it].",
        "[Have|Keep] your order number [ready|at hand], please.",
    ),
    endings=(
        "[Is there anything else?|Anything else?] [Just write back|Simply reply].",
        "[We are|I am] [happy|glad] to help if [anything is unclear|you have more questions].",
        "[Have|We wish you] a [nice|good|pleasant] day!",
        "[Kind|Best|Warm] regards from [the service team|your service team|customer service].",
        "[Just|Please] [reply|write|answer] if [something does not work|you get stuck].",
        "[Thank you|Thanks] for [your patience|shopping with us|your trust].",
    ),
    orders=("#{}", "SB-{}"),
    colours=("black", "white", "blue", "green", "red", "grey", "yellow", "brown", "pink", "navy"),
    goods={"any": (*_EN_WORN, *_EN_DEVICES, *_EN_OTHER), "worn": _EN_WORN, "device": _EN_DEVICES},
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    date="{day} {month}",
    glue=" ",
    span=(25, 90),
)  # fmt: skip

_ZH_WORN = (
    "雨衣", "围巾", "运动衫", "羽绒服", "遮阳帽", "半身裙", "头盔", "连衣裙", "牛仔裤", "帆布鞋", "毛衣", "马甲",
)  # fmt: skip
_ZH_DEVICES = (
    "台灯", "电热水壶", "咖啡机", "电饭煲", "耳机", "榨汁机", "闹钟", "键盘", "充电宝", "吹风机", "音箱", "加湿器",
)  # fmt: skip
_ZH_OTHER = (
    "双肩包", "瑜伽垫", "办公椅", "手机壳", "枕头", "行李箱", "保温杯", "浴巾", "茶具", "收纳箱", "帐篷", "平底锅",
    "书架", "猫窝", "相机包", "四件套",
)  # fmt: skip
_ZH_THANKS = (
    "[您好|你好|亲，您好]，[感谢咨询|谢谢您的留言|很高兴为您服务]。",
    "[您好|亲]，[关于|说到]{item}，[这就为您说明|给您回复如下]。",
    "[您好|亲]，[已收到您的问题|看到您的留言了]。",
)
CHINESE = Phrases(
    openers={
        PLAIN: ("", "", "你好，", "您好，", "[在吗|有人吗]？", "客服[你好|您好]，"),
        POLITE: (
            "[您好|你好]，[麻烦问一下|想请教一下|打扰了]，",
            "[麻烦您|辛苦您]帮忙看看，",
            "[客服您好|您好]，[请问|想问一下]：",
        ),
        UPSET: (
            "[太让人失望了|气死我了|真是无语]！",
            "[问了好几遍|找了你们两次][都没人理|没有回音]。",
            "[你们怎么回事|这是什么服务]！",
            "[第一次|从来没]遇到这种事，",
        ),
        BRIEF: ("[请问|问下]：", "[急|急急急]，", "[亲|哈喽]，", ""),
    },
    closers={
        PLAIN: ("", "", "谢谢！", "[请回复|等您回复]。"),
        POLITE: ("[谢谢|非常感谢]！", "[麻烦了|辛苦了]，谢谢。", "[期待|盼]您的回复。"),
        UPSET: ("[快点|尽快][处理|回复]！", "[不然|再不解决]我就[投诉|差评]了。", "", "[给个说法|今天必须答复]！"),
        BRIEF: ("", "", "[谢|谢啦]", "在线等"),
    },
    contexts={
        "order": (
            "[订单号|单号]是{order}。",
            "我的订单{order}，",
            "订单{order}，",
            "{date}下的单，[单号|订单号]{order}。",
            "[买的是|订的是]{item}，订单号{order}。",
            "我{date}[下的单|买的]。",
            "[就是|说的是]{item}那一单。",
        ),
        "product": (
            "我[看中了|想买|在看]{item}，",
            "[打算买|准备下单]{item}。",
            "[第一次|头一回]在你们家买东西，",
            "[想问的是|主要是]{item}。",
        ),
        "shop": (
            "我是[新用户|刚注册的]，",
            "我是[老顾客|老客户]了，",
            "[页面上没找到|帮助里没写]，",
            "[家里人|朋友]让我问问，",
        ),
    },
    greetings={
        PLAIN: _ZH_THANKS,
        POLITE: (*_ZH_THANKS, "[您好|您太客气了]，[很乐意帮您|马上为您解答]。", "您好，[不麻烦的|不客气]。"),
        UPSET: (
            "[非常抱歉|真的很抱歉|实在对不起]，[让您久等了|给您添麻烦了|让您失望了]。",
            "[抱歉|对不起]，{item}[让您费心了|给您带来不便]。",
            "[您先别着急|您的心情我理解]，[非常抱歉|给您道歉了]。",
        ),
        BRIEF: ("[您好|亲]，[马上回您|好的|在的]。", "[在的|好的]，[这样的|是这样]。"),
    },
    noted=(
        "订单{order}[已经记下|已为您登记]。",
        "[您的|]订单{order}[我们收到了|我已经记录]。",
        "[关于|您说的]订单{order}，[已经备注|我做了登记]。",
    ),
    wanted=(
        "[方便的话|需要的话]，请[发一下|告诉我]订单号。",
        "[麻烦提供|请提供]订单号，[我帮您看看|方便我们核对]。",
    ),
    endings=(
        "[还有问题|有其他疑问][随时|欢迎][找我|联系我们]。",
        "祝您[生活愉快|购物愉快|一切顺利]！",
        "[感谢您的理解|谢谢您的支持|感谢您的耐心]。",
        "[如果不行|操作中有问题]，[再留言|请再告诉我们]。",
    ),
    orders=("{}", "SB-{}"),
    colours=("黑色", "白色", "蓝色", "绿色", "红色", "灰色", "黄色", "粉色", "米色", "深蓝色"),
    goods={"any": (*_ZH_WORN, *_ZH_DEVICES, *_ZH_OTHER), "worn": _ZH_WORN, "device": _ZH_DEVICES},
    months=tuple(str(month) for month in range(1, 13)),
    date="{month}月{day}号",
    glue="",
    span=(30, 140),
)  # fmt: skip
