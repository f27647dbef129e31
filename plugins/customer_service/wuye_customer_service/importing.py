"""What files call a request's fields, and what happens to an open request that comes from a file."""

from collections.abc import Mapping, Sequence

from wuye.api import Context, referrals
from wuye_customer_service.models import Request

SYNONYMS: Mapping[str, Sequence[str]] = {
    "request_kind": ("类型", "诉求类型", "工单类型", "request type", "kind"),
    "category": ("类别", "分类", "事项分类", "complaint type", "category"),
    "channel": ("渠道", "来源", "受理渠道", "open data channel type", "channel"),
    "contact_phone": ("手机", "手机号", "联系电话", "电话", "phone"),
    "resolution": ("处理结果", "回复", "办理结果", "resolution description", "resolution"),
    "rating": ("评分", "满意度", "rating"),
}

WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "request_kind": {
        "inquiry": ("咨询", "question"),
        "complaint": ("投诉",),
        "suggestion": ("建议",),
        "repair": ("报修", "维修"),
        "help": ("求助",),
        "praise": ("表扬", "感谢"),
    },
    "channel": {
        "phone": ("电话", "来电"),
        "app": ("手机", "mobile"),
        "web": ("网页", "网站", "online"),
        "wechat": ("微信", "公众号", "小程序"),
        "counter": ("前台", "来访", "上门"),
        "qr": ("扫码",),
        "import": ("unknown", "其他"),
    },
}


def hand_on(ctx: Context, request: Request, department: str) -> None:
    """Refer an imported request that somebody else is to be working on to the department of its category."""
    if request.category and request.state in ("dispatched", "in_progress", "waiting"):
        referrals.refer(ctx, request, request.category, department=department)
