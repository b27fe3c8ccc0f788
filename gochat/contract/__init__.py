"""The wire models, declared once; OpenAPI and AsyncAPI are generated from them."""

from typing import Final

CONTRACT_VERSION: Final = "1.0.0"
"""Semantic: a new major version has a new path beside `/api/v1`; clients ignore what a minor one adds."""
