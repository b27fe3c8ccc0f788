"""The wire models, declared once; OpenAPI and AsyncAPI are generated from them."""
