"""How connections to MySQL are encrypted: by what the URL says, in the words of MySQL's own clients."""

import ssl
from collections.abc import Mapping
from typing import Any

PARAMETERS = ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key")
"""Of the URL. Without `ssl_mode` a connection is encrypted if the server can, whoever it is (PREFERRED)."""


def tls(query: Mapping[str, Any]) -> dict[str, Any]:
    """What PyMySQL is to be given.

    Args:
        query: of the URL. `ssl_mode` is DISABLED, PREFERRED, REQUIRED (encrypted, whoever it is), VERIFY_CA
            (who has a certificate of `ssl_ca`, or of an authority that the system trusts) or VERIFY_IDENTITY
            (the same, and the name of the host stands in it). `ssl_cert` and `ssl_key` are the client's own.

    Raises:
        OSError: a file can't be read, or holds no certificate (ssl.SSLError).
    """
    mode = query.get("ssl_mode", "PREFERRED")
    if mode == "PREFERRED":
        return {}
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What MySQL makes for itself lacks what the newest rules ask of an authority.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if mode == "REQUIRED":
        context.verify_mode = ssl.CERT_NONE
    elif "ssl_ca" in query:
        context.load_verify_locations(query["ssl_ca"])
    else:
        context.load_default_certs()
    if "ssl_cert" in query:
        context.load_cert_chain(query["ssl_cert"], query.get("ssl_key"))
    return {"ssl": context}
