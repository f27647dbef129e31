"""The headers and words that files have for core's own fields. A department declares those of its own resources."""

from collections.abc import Mapping, Sequence

Names = Mapping[str, Sequence[str]]

#: What every kind of work has; a resource's own `synonyms` win.
RECORD_SYNONYMS: Names = {
    "external_id": (
        "编号",
        "单号",
        "工单号",
        "工单编号",
        "流水号",
        "外部编号",
        "id",
        "unique key",
        "ticket no",
        "reference",
    ),
    "title": ("标题", "主题", "事项", "subject", "summary", "descriptor"),
    "text": ("内容", "描述", "详情", "备注", "说明", "description", "details", "remarks"),
    "priority": ("优先级", "紧急程度", "urgency"),
    "place": ("地址", "地点", "位置", "房屋", "房产", "address", "location", "incident address"),
    "requester": ("报修人", "报事人", "业主", "客户", "投诉人", "姓名", "联系人", "reported by", "customer"),
    "assignee": ("处理人", "负责人", "维修人员", "经办人", "assigned to", "technician"),
    "due_at": ("截止时间", "要求完成时间", "due date", "deadline"),
    "state": ("状态", "status"),
    "opened_at": ("报修时间", "创建时间", "登记时间", "提交时间", "受理时间", "created date", "created at", "opened"),
    "closed_at": ("关闭时间", "办结时间", "完成时间", "结束时间", "closed date", "closed at", "completed"),
    "building": ("楼栋", "楼号", "栋", "building"),
    "entrance": ("单元", "entrance"),
    "room": ("房号", "房间号", "门牌号", "户号", "室号", "room"),
}

PRIORITY_WORDS: Names = {
    "emergency": ("特急", "非常紧急", "critical"),
    "urgent": ("紧急", "加急", "high"),
    "normal": ("普通", "一般", "正常", "medium"),
    "low": ("低", "不急"),
}

#: Words for states that most flows have; those that a flow lacks are passed over.
STATE_WORDS: Names = {
    "new": ("open", "新建", "待受理", "未处理", "待处理"),
    "accepted": ("已受理",),
    "dispatched": ("assigned", "已派单", "已派工"),
    "ready": ("待派单", "待派工"),
    "in_progress": ("started", "处理中", "进行中", "维修中"),
    "waiting": ("挂起", "等待中", "pending"),
    "resolved": ("已解决", "待验收", "待评价"),
    "done": ("已完成", "完工", "completed"),
    "verified": ("已验收",),
    "closed": ("已关闭", "关闭", "已办结", "办结"),
    "rejected": ("已拒绝", "不予受理"),
    "cancelled": ("已取消", "取消", "canceled"),
}

BOOLEAN_WORDS: Names = {
    "true": ("是", "有", "在岗", "在职", "yes", "y", "√", "1"),
    "false": ("否", "无", "不在岗", "离职", "no", "n", "×", "0"),
}

PROPERTY_SYNONYMS: Names = {
    "code": ("编码", "编号", "房产编号", "房屋编号", "property code"),
    "name": ("名称", "property name"),
    "kind": ("类型", "性质", "type"),
    "parent": ("上级", "所属", "belongs to"),
    "area_m2": ("面积", "建筑面积", "area", "area m2", "floor area", "sqm"),
    "archived": ("停用",),
    "building": RECORD_SYNONYMS["building"],
    "entrance": RECORD_SYNONYMS["entrance"],
    "room": (*RECORD_SYNONYMS["room"], "unit no"),
    "person": ("业主", "业主姓名", "产权人", "户主", "住户", "owner", "owner name"),
    "phone": ("手机", "手机号", "电话", "联系电话", "phone", "mobile", "owner phone"),
    "relation": ("关系", "身份", "relationship"),
    "since": ("入住日期", "入住时间", "交房日期", "收房日期", "move-in date"),
    "until": ("搬出日期", "迁出日期", "move-out date"),
}

PROPERTY_WORDS: Mapping[str, Names] = {
    "kind": {
        "zone": ("区域", "片区", "单元"),
        "building": ("楼栋", "楼"),
        "floor": ("楼层", "层"),
        "unit": ("住宅", "房屋", "房间", "商铺", "apartment", "flat", "residential"),
        "common_area": ("公共区域", "公区"),
        "plant_room": ("设备间", "机房"),
        "parking_space": ("车位", "停车位", "parking"),
        "address": ("地址",),
    }
}

PERSON_SYNONYMS: Names = {
    "name": ("姓名", "名字", "业主", "业主姓名", "住户", "full name", "owner"),
    "phone": ("手机", "手机号", "电话", "联系电话", "联系方式", "mobile", "telephone"),
    "email": ("邮箱", "电子邮件", "e-mail"),
    "external_id": ("编号", "人员编号", "客户编号", "id", "person id"),
    "note": ("备注", "remark"),
    "place": ("房屋", "房产", "地址", "property", "address"),
    "building": RECORD_SYNONYMS["building"],
    "entrance": RECORD_SYNONYMS["entrance"],
    "room": RECORD_SYNONYMS["room"],
    "relation": ("关系", "身份", "住户类型", "relationship"),
    "since": ("入住日期", "入住时间", "起始日期", "开始日期", "move-in date"),
    "until": ("搬出日期", "迁出日期", "到期日期", "结束日期", "move-out date"),
}

OCCUPANCY_SYNONYMS: Names = {
    "person": ("姓名", "住户", "业主"),
    "property": ("房屋", "房产", "地址"),
    "relation": ("关系", "身份"),
    "since": ("入住日期", "起始日期"),
    "until": ("搬出日期", "结束日期"),
}

RELATION_WORDS: Mapping[str, Names] = {
    "relation": {
        "owner": ("业主", "产权人", "户主", "房主", "本人"),
        "tenant": ("租户", "租客", "承租人"),
        "member": ("家属", "家庭成员", "家人", "配偶", "子女", "父母", "family"),
    }
}

STAFF_SYNONYMS: Names = {
    "name": ("姓名", "员工", "员工姓名", "employee"),
    "phone": ("手机", "手机号", "电话", "联系电话", "mobile"),
    "email": ("邮箱", "e-mail"),
    "department": ("部门", "所属部门"),
    "post": ("岗位", "职务", "职位", "position", "job title"),
    "employee_number": ("工号", "员工编号", "employee no", "employee id"),
    "on_duty": ("在岗", "在职"),
}

DEPARTMENT_SYNONYMS: Names = {"code": ("编码", "编号"), "name": ("名称", "部门", "部门名称")}
