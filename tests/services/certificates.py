"""Certificate authorities of the tests' own, and what they sign; good for an hour."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class Authority:
    """One that nobody trusts unless told to."""

    def __init__(self, name: str = "an authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._issued = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name).public_key(self._key.public_key())
        builder = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        signed = builder.add_extension(own, critical=False).sign(self._key, hashes.SHA256())
        self.certificate = signed.public_bytes(_PEM)
        """Its own, PEM: what has to be trusted."""

    def server(self, address: str) -> bytes:
        """A certificate for a name or an IP address, and its key, in one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(address))
        except ValueError:
            name = x509.DNSName(address)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        builder = self._builder(subject).public_key(key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        builder = builder.add_extension(self._issued, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)
        private = serialization.PrivateFormat.TraditionalOpenSSL
        return certificate + key.private_bytes(_PEM, private, serialization.NoEncryption())

    def write(self, directory: Path, address: str) -> tuple[Path, Path]:
        """Write its certificate, and one for a server with its key; return both paths."""
        authority, server = directory / "ca.pem", directory / "server.pem"
        authority.write_bytes(self.certificate)
        server.write_bytes(self.server(address))
        return authority, server

    def _builder(self, subject: x509.Name) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
