"""The partner centre of the stub (cloud_stub.py): its lists of records, read by offset, the newest first.

Orders:

  {"partner": {"resellers": [ID], "records": COUNT, "from", "to"}}    that many records of each list, and of each reseller
  {"late": {"api", "reseller", "time", "after"}}                      one record, shown that many seconds from now
  {"arriving": PART}                                                  how often a record appears between two pages
  {"quotas": [BALANCE]}                                               the issued quotas, as they stand
  {"partner_ids": true}                                               the trace ids that all records make
"""
import datetime
import json
import random

from huaweicloudsdkbss.v2 import (
    AccountChangeRecord, AdjustRecordV3, CouponRecordV2, IndirectPartnerInfo, IssuedCouponQuota, QuotaRecord)

PATHS = {
    "/v2/partners/coupon-quotas/records": "quota_records",
    "/v2/promotions/benefits/partner-coupons/records/query": "coupon_records",
    "/v3/accounts/partner-accounts/adjust-records": "adjustments",
    "/v2/accounts/partner-accounts/account-change-records": "account_changes",
}
OF_RESELLERS = ("coupon_records", "adjustments", "account_changes")
RESELLERS = "/v2/partners/indirect-partners/query"
DAYS = ("account_changes",)
CHINA = datetime.timezone(datetime.timedelta(hours=8))


def utc(millis):
    return datetime.datetime.fromtimestamp(millis // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(model):
    """A model as the vendor's interface writes it."""
    return {name: value for name, value in model.to_dict().items() if value is not None}


class PartnerCentre:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lists = {}
        self.resellers = []
        self.arriving = 0.0
        self.next = 0
        self.quotas = []

    def make(self, api, reseller, millis):
        """A record, and the id that it is known by."""
        self.next += 1
        number, moment = f"{self.next:08}", utc(millis)
        customer = f"c{self.next % 1000:04}"
        if api == "quota_records":
            kind = "10" if self.next % 5 else "11"
            record = QuotaRecord(
                id=number, operator="li.na", operation_type=kind, quota_id=f"q{self.next % 40}", amount=100.5,
                operation_time=moment, result="0", indirect_partner_id=f"ir{self.next % 40}", remark="")
            return plain(record), "quota-record:" + number
        if api == "coupon_records":
            record = CouponRecordV2(
                id=number, operation_type=str(self.next % 3 + 1), quota_id=f"q{self.next % 40}", quota_type=0, coupon_id="k" + number,
                customer_id=customer, operation_amount=20.25, operation_time=moment, result="0")
            return plain(record), "coupon-record:" + number
        if api == "adjustments":
            record = AdjustRecordV3(
                customer_id=customer, customer_name="Customer " + customer, operation_type="SOURCE_OPERATION_BEADJUST", amount="7.50",
                currency="CNY", operation_time=moment, measure_id=1, trans_id="t" + number)
            return plain(record), f"adjust:t{number}:{customer}:BEADJUST"
        record = AccountChangeRecord(
            account_change_id=number, trade_detail_type="SOURCE_OPERATION_BEADJUST", trade_time=moment, trade_id="d" + number,
            change_amount="7.50", balance_after_change="10.00", type="1", customer_id=customer, account_name="a")
        return plain(record), "account-change:" + number

    def add(self, api, reseller, millis, shown_at=0.0):
        millis = millis // 1000 * 1000
        record, trace_id = self.make(api, reseller, millis)
        self.lists.setdefault((api, reseller), []).append((millis, trace_id, shown_at, json.dumps(record)))

    def order(self, order, now):
        answer = {}
        if "partner" in order:
            fill = order["partner"]
            self.resellers = fill["resellers"]
            for api in PATHS.values():
                whose = [None] + (self.resellers if api in OF_RESELLERS else [])
                for reseller in whose:
                    for number in range(fill["records"]):
                        part = (number + 0.5) / fill["records"]
                        self.add(api, reseller, int(fill["from"] + (fill["to"] - fill["from"]) * part))
        if "late" in order:
            late = order["late"]
            self.add(late["api"], late.get("reseller"), late["time"], now + late.get("after", 0.0))
        if "quotas" in order:
            self.quotas = [
                IssuedCouponQuota(
                    quota_id=f"q{number}", quota_type=0, create_time="2026-06-01T00:00:00Z", quota_value=100.0, quota_status=0,
                    balance=balance, measure_id=1, currency="CNY", indirect_partner_id=f"ir{number}")
                for number, balance in enumerate(order["quotas"])]
        self.arriving = order.get("arriving", self.arriving)
        if order.get("partner_ids"):
            answer["ids"] = [{"id": one[1], "reseller": whose} for (_, whose), of in self.lists.items() for one in of]
        return answer

    def answer(self, path, query, body, now):
        """The status and the answer of a call; nothing if it is none of the partner centre."""
        if path == RESELLERS:
            offset, limit = body.get("offset", 0), min(body.get("limit", 10), 100)
            some = self.resellers[offset:offset + limit]
            models = [IndirectPartnerInfo(indirect_partner_id=one, name=one, account_name=one, mobile_phone="123", email="e@x") for one in some]
            return 200, {"count": len(self.resellers), "indirect_partners": [plain(one) for one in models]}
        if path == "/v2/partners/issued-coupon-quotas":
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
            page = [json.dumps(plain(one)) for one in self.quotas[offset:offset + limit]]
            return 200, '{"total_count":%d,"quotas":[%s]}' % (len(self.quotas), ",".join(page))
        api = PATHS.get(path)
        if api is None:
            return None
        reseller = query.get("indirect_partner_id") if api in OF_RESELLERS else None
        if reseller is not None and reseller not in self.resellers:
            return 400, {"error_code": "CBC.99000037", "error_msg": "no permission on this reseller"}
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
        if not 1 <= limit <= 100 or offset < 0:
            return 400, {"error_code": "CBC.0100", "error_msg": "limit"}
        within = self.within(api, query)
        own = self.lists.setdefault((api, reseller), [])
        if self.random.random() < self.arriving:
            # It appears at a moment of the past that is being read.
            moments = [one[0] for one in own if within(one[0])]
            if moments:
                self.add(api, reseller, self.random.choice(moments))
        there = [one for one in own if one[2] <= now and within(one[0])]
        there.sort(key=lambda one: (-one[0], one[1]))
        page = there[offset:offset + limit]
        return 200, '{"total_count":%d,"records":[%s]}' % (len(there), ",".join(one[3] for one in page))

    @staticmethod
    def within(api, query):
        if api in DAYS:
            first, last = query["trade_time_begin"], query["trade_time_end"]
            day = lambda millis: datetime.datetime.fromtimestamp(millis / 1000, CHINA).strftime("%Y-%m-%d")
            return lambda millis: first <= day(millis) <= last
        # Both bounds are exclusive, in seconds.
        first, last = query["operation_time_begin"], query["operation_time_end"]
        return lambda millis: first < utc(millis) < last
