# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Presigned requests to an S3 service (AWS signature version 4, in the query)."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from urllib.parse import quote, urlencode


def presigned_path(method, host, path, access_key, secret_key, region="us-east-1", seconds=300, now=None, query=None):
    """Path and query of a request that is valid for some seconds without any header.

    host is the name (and port, when not the scheme's own) that the request will be sent to: it is part of what
    is signed. query holds further parameters, {"policy": ""} for the policy of a bucket for instance.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day}/{region}/s3/aws4_request"
    parameters = urlencode(sorted({
        **(query or {}),
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }.items()), quote_via=quote, safe="")
    canonical = "\n".join([method, quote(path), parameters, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret_key).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{quote(path)}?{parameters}&X-Amz-Signature={signature}"
