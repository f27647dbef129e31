"""What files call the fields of assets and work orders."""

from collections.abc import Mapping, Sequence

ASSET_SYNONYMS: Mapping[str, Sequence[str]] = {
    "code": ("编码", "编号", "设备编号", "设备编码", "asset code", "asset no"),
    "name": ("名称", "设备名称", "asset name"),
    "asset_class": ("类别", "分类", "设备类别", "设备类型", "class", "category"),
    "place": ("位置", "安装位置", "地点", "location"),
    "maker": ("厂家", "生产厂家", "品牌", "manufacturer"),
    "model": ("型号", "规格型号"),
    "serial": ("序列号", "出厂编号", "serial no"),
    "condition": ("状态", "设备状态", "status"),
}

ASSET_WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "condition": {
        "in_service": ("在用", "正常", "运行", "使用中"),
        "degraded": ("带病运行", "降级"),
        "down": ("故障", "停机"),
        "under_maintenance": ("维修中", "保养中"),
        "locked": ("禁用", "停用锁定"),
        "standby": ("备用",),
        "retired": ("报废", "停用"),
    }
}

WORK_ORDER_SYNONYMS: Mapping[str, Sequence[str]] = {
    "order_type": ("类型", "工单类型", "维修类型", "order type"),
    "asset": ("设备", "设备编号", "equipment"),
    "remedy": ("处理结果", "维修结果", "处理措施"),
    "cause": ("原因", "故障原因"),
}

WORK_ORDER_WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "order_type": {
        "corrective": ("维修", "报修", "repair"),
        "preventive": ("保养", "维保", "预防性维护"),
        "inspection": ("巡检", "检查"),
        "statutory": ("法定检验", "年检"),
        "improvement": ("改造", "改善"),
        "emergency": ("抢修", "紧急维修"),
    }
}
