"""Objects of OSS as rows of Ray Data: listed once, read in tasks on all nodes of a cluster.

Example:
    >>> import ray
    >>> from ossmodelconnector.ray import ObjectsDatasource
    >>> source = ObjectsDatasource("oss://bucket/qwen/", connector_args={})
    >>> ray.data.read_datasource(source).count()
    5
"""

from __future__ import annotations

try:
    import pyarrow as _pyarrow  # noqa: F401
    import ray.data as _ray_data  # noqa: F401
except ImportError as _error:
    raise ImportError(
        "ossmodelconnector.ray needs Ray Data: pip install 'ossmodelconnector[ray]'"
    ) from _error

from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector.ray._datasource import ObjectsDatasource

__all__ = ["ObjectsDatasource"]

_name_package(__name__, vars())
