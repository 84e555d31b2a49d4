"""Authorities and certificates for one script, as PEM files in its directory."""

import base64
import datetime
import hashlib
import ipaddress
import os
import random

import harness

harness.python_packages()
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
import cryptography.x509.ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM


class Pair:
    """A certificate and its key: `chain` and `key` are files, `certificate` is what cryptography knows of it."""

    def __init__(self, chain, key, certificate):
        self.chain, self.key, self.certificate = chain, key, certificate

    @property
    def config(self):
        return {"chain": self.chain, "key": self.key}

    @property
    def combined(self):
        """Certificate and key in one file, as HAProxy has it."""
        with open(self.chain, "rb") as chain, open(self.key, "rb") as key:
            return write("combined", chain.read() + key.read())

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def spki(self):
        key = self.certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode()

    @property
    def serial(self):
        return self.certificate.serial_number

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)


class Authority:
    """A root. `file` is its certificate."""

    def __init__(self, name="test root"):
        self.key = make_key("ecdsa")
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (self._builder(self.name, self.key.public_key(), -1, 3650)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                   .add_extension(usage(sign=True), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False))
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.file = write("root", self.certificate.public_bytes(PEM))

    def pair(self, *names, key="ecdsa", days=(-1, 30), client=False, common=None):
        """A certificate for these DNS names, addresses and URIs, valid for these days from now. With `client` it is one of a client."""
        secret = make_key(key)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common or names[0])])
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (self._builder(subject, secret.public_key(), *days)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .add_extension(usage(encipher=key == "rsa"), critical=True)
                   .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
                   .add_extension(x509.SubjectAlternativeName([general(name) for name in names]), critical=False))
        certificate = builder.sign(self.key, hashes.SHA256())
        label = f"{'client' if client else 'server'}-{key}"
        return Pair(write(label, certificate.public_bytes(PEM)),
                    write(label + "-key", secret.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())), certificate)

    def crl(self, *revoked):
        """The file of a list that revokes these."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name)
                   .last_update(now - datetime.timedelta(days=1)).next_update(now + datetime.timedelta(days=30))
                   .add_extension(x509.CRLNumber(1), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        for pair in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(pair.serial).revocation_date(now - datetime.timedelta(hours=1)).build())
        return write("crl", builder.sign(self.key, hashes.SHA256()).public_bytes(PEM))

    def ocsp(self, pair):
        """The file of a response that says that this one is good, in DER."""
        now = datetime.datetime.now(datetime.timezone.utc)
        response = (x509.ocsp.OCSPResponseBuilder()
                    .add_response(pair.certificate, self.certificate, hashes.SHA256(), x509.ocsp.OCSPCertStatus.GOOD, now - datetime.timedelta(hours=1),
                                  now + datetime.timedelta(days=7), None, None)
                    .responder_id(x509.ocsp.OCSPResponderEncoding.NAME, self.certificate).sign(self.key, hashes.SHA256()))
        return write("ocsp", response.public_bytes(serialization.Encoding.DER))

    def _builder(self, subject, public_key, first, last):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=first)).not_valid_after(now + datetime.timedelta(days=last)))


def make_key(kind):
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def usage(sign=False, encipher=False):
    return x509.KeyUsage(digital_signature=True, content_commitment=False, key_encipherment=encipher, data_encipherment=False, key_agreement=False,
                         key_cert_sign=sign, crl_sign=sign, encipher_only=False, decipher_only=False)


def general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name)


def write(label, data):
    path = os.path.join(harness.directory(), f"{label}-{random.getrandbits(32):08x}.pem")
    # Keys are for their owner alone.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
    return path
