"""Writes a new private key and its public JWK set into a folder: `make_keys.py FOLDER`."""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
key = Ed25519PrivateKey.generate()
public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "one", "use": "sig"}
public.pop("key_ops", None)
(folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
(folder / "key.pem").write_bytes(
    key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
)
