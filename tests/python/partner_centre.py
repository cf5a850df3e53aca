"""Huawei's own client of the partner centre: a distributor reads quota records, a reseller does not.

    pip install huaweicloudsdkbss==3.1.219
    python3 partner_centre.py http://127.0.0.1:PORT AK SK RESELLER_AK RESELLER_SK EXPECTED_COUNT

Prints one line and exits 0 when everything holds.
"""

import sys

from huaweicloudsdkbss.v2 import BssClient, ListCouponQuotasRecordsRequest
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException


def check(holds, what):
    if not holds:
        sys.exit(f"partner_centre: {what}")


def client(url, ak, sk):
    credentials = GlobalCredentials(ak=ak, sk=sk, domain_id="domain")
    return BssClient.new_builder().with_credentials(credentials).with_endpoints([url]).build()


def main():
    url, ak, sk, reseller_ak, reseller_sk, expected = sys.argv[1:]
    bss, records = client(url, ak, sk), []
    while True:
        page = bss.list_coupon_quotas_records(ListCouponQuotasRecordsRequest(offset=len(records), limit=7))
        check(page.total_count == int(expected), f"{page.total_count} records, not {expected}")
        if not page.records:
            break
        records += page.records
    check(len({record.id for record in records}) == len(records) == int(expected), f"{len(records)} by pages")
    check(all(str(record.amount) == "12.50" for record in records), f"amount {records[0].amount!r}")
    without = bss.list_coupon_quotas_records(ListCouponQuotasRecordsRequest(parent_quota_id="", limit=100)).records
    check(without and not any(record.parent_quota_id for record in without), "an empty parent is a filter")
    try:
        client(url, reseller_ak, reseller_sk).list_coupon_quotas_records(ListCouponQuotasRecordsRequest())
    except ClientRequestException as error:
        check((error.status_code, error.error_code) == (403, "CBC.0151"), f"a reseller: {error}")
    else:
        check(False, "a reseller was answered")
    print(f"partner_centre: ok {len(records)} records")


if __name__ == "__main__":
    main()
