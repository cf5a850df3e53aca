"""Credentials as callers send them: tokens, signatures of an access key, JSON Web Tokens of a provider that runs here."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import threading
import time
import urllib.parse


def bearer(token):
    return f"Authorization: Bearer {token}\r\n"


def basic(name, token):
    return f"Authorization: Basic {base64.b64encode(f'{name}:{token}'.encode()).decode()}\r\n"


class AccessKey:
    """Signs requests without a body as SDK-HMAC-SHA256 has it."""

    def __init__(self, key, secret):
        self.key, self.secret = key, secret.encode()

    def headers(self, host, url):
        path, _, query = url.partition("?")
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical = "&".join(f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for name, value in pairs)
        request = f"GET\n{path}/\n{canonical}\nhost:{host}\nx-sdk-date:{date}\n\nhost;x-sdk-date\n{hashlib.sha256(b'').hexdigest()}"
        text = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()
        signed = f"SDK-HMAC-SHA256 Access={self.key}, SignedHeaders=host;x-sdk-date, Signature={signature}"
        return f"X-Sdk-Date: {date}\r\nAuthorization: {signed}\r\n"


class Provider:
    """An OpenID provider with one RSA key; `openssl` makes the key and signs."""

    def __init__(self, folder):
        self.key = pathlib.Path(folder) / "provider.pem"
        openssl("genrsa", "-out", str(self.key), "2048")
        modulus = openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode().strip().partition("=")[2]
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": segment(bytes.fromhex(modulus)), "e": "AQAB"}
        pages = {"/keys": {"keys": [key]}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(pages.get(self.path, {})).encode()
                self.send_response(200 if self.path in pages else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        endpoints = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
        pages["/.well-known/openid-configuration"] = {
            "issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"], **endpoints,
        }
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, subject, audience):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 3600}
        text = ".".join(segment(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims))
        return f"{text}.{segment(openssl('dgst', '-sha256', '-sign', str(self.key), given=text.encode()))}"


def segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, given=None):
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout
