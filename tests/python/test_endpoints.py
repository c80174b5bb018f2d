"""Endpoints as people write them: the right region is known, or the constructor says what to do."""

from __future__ import annotations

import oss2.credentials
import pytest
from ossmodelconnector import OssModelConnector

PROVIDER = oss2.credentials.StaticCredentialsProvider("id", "secret")

REGIONS = [
    "cn-hangzhou",
    "cn-shanghai",
    "cn-nanjing",
    "cn-fuzhou",
    "cn-wuhan-lr",
    "cn-qingdao",
    "cn-beijing",
    "cn-zhangjiakou",
    "cn-huhehaote",
    "cn-wulanchabu",
    "cn-shenzhen",
    "cn-heyuan",
    "cn-guangzhou",
    "cn-chengdu",
    "cn-hongkong",
    "us-west-1",
    "us-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "eu-central-1",
    "eu-west-1",
    "me-east-1",
    "me-central-1",
    "na-south-1",
    "cn-hangzhou-finance",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "cn-beijing-finance-1",
    "cn-north-2-gov-1",
]

OTHERS = {
    "https://oss-cn-hangzhou.aliyuncs.com./": "cn-hangzhou",
    "HTTP://OSS-CN-HANGZHOU-INTERNAL.ALIYUNCS.COM:80": "cn-hangzhou",
    "models.oss-cn-hangzhou.aliyuncs.com": "cn-hangzhou",
    "cn-hangzhou.oss.aliyuncs.com": "cn-hangzhou",
    "cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com": "cn-hangzhou",
    "ap-southeast-1c-internal.oss-data-acc.aliyuncs.com": "ap-southeast-1",
    "oss-cache-cn-beijing-h.aliyuncs.com": "cn-beijing",
    "cn-shanghai.oss-dls.aliyuncs.com": "cn-shanghai",
    "oss-cn-hangzhou-vpc.aliyuncs.com": "cn-hangzhou",
    "vpc100-oss-cn-hangzhou.aliyuncs.com": "cn-hangzhou",
    "s3.oss-cn-hangzhou.aliyuncs.com": "cn-hangzhou",
    "oss-cn-hzfinance-internal.aliyuncs.com": "cn-hangzhou-finance",
    "oss-cn-hzjbp-b-internal.aliyuncs.com": "cn-hangzhou-finance",
    "oss-cn-szfinance.aliyuncs.com": "cn-shenzhen-finance-1",
    "oss-cn-shanghai-finance-1-pub.aliyuncs.com": "cn-shanghai-finance-1",
    "cb-f8z7yvzgwfkl9q0h.cn-hangzhou.oss-cloudbox.aliyuncs.com": "cb-f8z7yvzgwfkl9q0h",
}


def region_of(endpoint, **arguments):
    arguments.setdefault("cred_provider", PROVIDER)
    with OssModelConnector(endpoint, **arguments) as connector:
        return connector.region


def test_every_region_is_read_off_its_public_and_internal_endpoint():
    wrong = {
        endpoint: found
        for region in REGIONS
        for endpoint in (
            f"https://oss-{region}.aliyuncs.com",
            f"http://oss-{region}-internal.aliyuncs.com",
        )
        if (found := region_of(endpoint)) != region
    }
    assert wrong == {}


@pytest.mark.parametrize("endpoint", OTHERS)
def test_other_forms_of_endpoints(endpoint):
    assert region_of(endpoint) == OTHERS[endpoint]


# An endpoint, a region given with it or None, and the way out that the text must hold.
REFUSED = [
    ("https://oss-accelerate.aliyuncs.com", None, "give region="),
    ("https://oss-accelerate-overseas.aliyuncs.com", None, "give region="),
    ("https://oss.aliyuncs.com", None, "give region="),
    ("https://oss-hangzhou.aliyuncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://cn-hangzhou.aliyuncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://ecs.cn-hangzhou.aliyuncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-hangzhou-j.aliyuncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-hangzou.aliyuncs.com", None, "cn-hangzhou is meant"),
    ("https://oss-cn-hangzhou.aliyun.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-hangzhou.aliyncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-hangzhou.aliyuncs.com.cn", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("oss-cn-hangzhou", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("cn-hangzhou", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-hangzhou.aliyuncs.com/models", None, "leave it out"),
    ("https://oss-cn-hangzhou.aliyuncs.com?x", None, "leave it out"),
    ("https://id:secret@oss-cn-hangzhou.aliyuncs.com", None, "leave it out"),
    ("oss://models", None, "use http:// or https://"),
    ("https//oss-cn-hangzhou.aliyuncs.com", None, "as http:// or https://"),
    ("http://https://oss-cn-hangzhou.aliyuncs.com", None, "once"),
    (" https://oss-cn-hangzhou.aliyuncs.com", None, "take it out"),
    ("https://oss-cn-hangzhou.aliyuncs.com:https", None, "1 to 65535"),
    ("https://oss_cn_hangzhou,aliyuncs.com", None, "https://oss-cn-hangzhou.aliyuncs.com"),
    ("https://oss-cn-beijing.aliyuncs.com", "cn-hangzhou", "leave region="),
    ("https://oss-cn-beijing.aliyuncs.com", "beijing", 'region="cn-beijing"'),
    ("https://oss-accelerate.aliyuncs.com", "cn-beijing-h", 'region="cn-beijing"'),
    ("https://oss-accelerate.aliyuncs.com", "oss-cn-beijing.aliyuncs.com", 'region="cn-beijing"'),
    ("http://127.0.0.1", "cn hangzhou", 'region="cn-hangzhou"'),
]


@pytest.mark.parametrize(("endpoint", "region", "way_out"), REFUSED)
def test_refused_with_the_way_out(endpoint, region, way_out):
    with pytest.raises(ValueError, match=r"endpoint|region") as caught:
        region_of(endpoint, region=region)
    assert way_out in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "region", ["cn-beijing", "oss-cn-beijing", "CN-BEIJING", "cn-beijing-internal"]
)
def test_a_region_in_other_words(region):
    assert region_of("https://oss-cn-beijing.aliyuncs.com", region=region) == "cn-beijing"
    assert region_of("https://oss-accelerate.aliyuncs.com", region=region) == "cn-beijing"


def test_a_region_that_almost_is_a_known_one_is_taken_when_it_is_given():
    endpoint = "https://oss-cn-hangzou.aliyuncs.com"
    assert region_of(endpoint, region="cn-hangzou") == "cn-hangzou"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://[::1]:1"])
def test_no_bucket_is_put_before_an_address(endpoint):
    with pytest.raises(ValueError, match='"path"'):
        region_of(endpoint, region="cn-hangzhou", config={"addressing": "virtual"})
