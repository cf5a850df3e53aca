use super::*;
use crate::access::jwt::claims::{ExpectedClaims, JwtPurpose};
use aws_lc_rs::encoding::EcPublicKeyUncompressedBin;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::LazyLock;

const ISSUER: &str = "https://login.example.com/a";
const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
const SECONDS: i64 = NOW.millis() / 1_000;

/// Making an RSA key takes a while.
static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
static RSA_OTHER: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_jwk(key: &RsaKeyPair, more: &Json) -> Json {
    let public = key.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let mut jwk = json!({ "kty": "RSA", "kid": "k1",
        "n": base64(n.big_endian_without_leading_zero()),
        "e": base64(e.big_endian_without_leading_zero()) });
    for (name, value) in more.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk
}

fn sign_rsa(key: &RsaKeyPair, encoding: &'static dyn RsaEncoding, signed: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("signed");
    signature
}

fn set(keys: &[Json]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("keys")
}

fn signed_with(header: &Json, claims: &Json, sign: impl Fn(&str) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let signature = base64(sign(&signed));
    format!("{signed}.{signature}")
}

fn claims(change: &Json) -> Json {
    let mut claims = json!({ "iss": ISSUER, "sub": "1234", "aud": "annals", "exp": SECONDS + 300,
        "iat": SECONDS });
    for (name, value) in change.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

/// A token of the provider with other claims.
fn token(change: &Json) -> String {
    let header = json!({ "alg": "RS256", "kid": "k1" });
    signed_with(&header, &claims(change), |signed| sign_rsa(&RSA, &RSA_PKCS1_SHA256, signed))
}

fn expected(purpose: JwtPurpose<'_>) -> ExpectedClaims<'_> {
    ExpectedClaims {
        issuer: ISSUER,
        audience: "annals",
        client_id: "annals",
        groups_claim: "groups",
        purpose,
    }
}

fn verify(text: &str, keys: &KeySet) -> Result<Person, String> {
    UnverifiedJwt::parse(text)
        .and_then(|jwt| jwt.verify(keys, &expected(JwtPurpose::Request), NOW))
        .map_err(|refusal| refusal.to_string())
}

fn verify_one(text: &str) -> Result<Person, String> {
    verify(text, &set(&[rsa_jwk(&RSA, &json!({}))]))
}

fn refused(text: &str, why: &str) {
    let refusal = verify_one(text).expect_err(why);
    assert!(refusal.contains(why), "{refusal}, and not {why}");
}

#[test]
fn a_token_of_the_provider_says_who_somebody_is() {
    let person = verify_one(&token(&json!({ "email": "li@example.com", "email_verified": true,
        "groups": ["auditors", "审计"], "unheard_of": { "a": [1] } })))
    .expect("a person");
    assert_eq!(
        (person.subject.as_str(), person.email.as_deref()),
        ("1234", Some("li@example.com"))
    );
    assert_eq!(person.groups, ["auditors", "审计"]);
    // An address that nobody verified, or that is no address, is none.
    for verified in [json!(null), json!(false), json!("true"), json!(1)] {
        let change = json!({ "email": "li@example.com", "email_verified": verified });
        assert_eq!(verify_one(&token(&change)).expect("a person").email, None, "{change}");
    }
    let change = json!({ "email": "li", "email_verified": true });
    assert_eq!(verify_one(&token(&change)).expect("a person").email, None);
}

#[test]
fn every_algorithm_is_verified_with_the_key_that_fits() {
    let rsa: [(&str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &RSA_PKCS1_SHA256),
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| {
        EcdsaKeyPair::generate(algorithm).expect("a key")
    };
    let (p256, p384) = (ec(&ECDSA_P256_SHA256_FIXED_SIGNING), ec(&ECDSA_P384_SHA384_FIXED_SIGNING));
    let ed = Ed25519KeyPair::generate().expect("a key");
    let ec_jwk = |key: &EcdsaKeyPair, curve: &str, kid: &str| {
        let point: EcPublicKeyUncompressedBin<'_> =
            aws_lc_rs::encoding::AsBigEndian::as_be_bytes(key.public_key()).expect("a point");
        let point = point.as_ref();
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        json!({ "kty": "EC", "crv": curve, "kid": kid, "x": base64(x), "y": base64(y) })
    };
    let keys = set(&[
        rsa_jwk(&RSA, &json!({ "kid": "rsa", "use": "sig", "key_ops": ["verify"] })),
        ec_jwk(&p256, "P-256", "p256"),
        ec_jwk(&p384, "P-384", "p384"),
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": base64(ed.public_key()) }),
    ]);
    let good = claims(&json!({}));
    for (name, encoding) in rsa {
        let header = json!({ "alg": name, "kid": "rsa" });
        let text = signed_with(&header, &good, |signed| sign_rsa(&RSA, encoding, signed));
        assert!(verify(&text, &keys).is_ok(), "{name}");
        // A signature of one algorithm is none of another.
        let other = if name == "RS256" { "PS256" } else { "RS256" };
        let header = json!({ "alg": other, "kid": "rsa" });
        let text = signed_with(&header, &good, |signed| sign_rsa(&RSA, encoding, signed));
        assert!(verify(&text, &keys).is_err(), "{name} as {other}");
    }
    let ecdsa = |key: &EcdsaKeyPair, signed: &str| {
        key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed").as_ref().to_vec()
    };
    for (name, kid, is_good) in [
        ("ES256", "p256", true),
        ("ES256", "p384", false),
        ("ES384", "p256", false),
        ("RS256", "p256", false),
        ("EdDSA", "p256", false),
        ("ES256", "rsa", false),
    ] {
        let header = json!({ "alg": name, "kid": kid });
        let text = signed_with(&header, &good, |signed| ecdsa(&p256, signed));
        assert_eq!(verify(&text, &keys).is_ok(), is_good, "{name} {kid}");
    }
    let header = json!({ "alg": "ES384", "kid": "p384" });
    assert!(verify(&signed_with(&header, &good, |signed| ecdsa(&p384, signed)), &keys).is_ok());
    let header = json!({ "alg": "EdDSA", "kid": "ed" });
    let text = signed_with(&header, &good, |signed| ed.sign(signed.as_bytes()).as_ref().to_vec());
    assert!(verify(&text, &keys).is_ok());
    let zero = signed_with(&json!({ "alg": "ES256", "kid": "p256" }), &good, |_| vec![0; 64]);
    assert!(verify(&zero, &keys).is_err(), "CVE-2022-21449");
}

#[test]
fn no_signature_and_a_signature_with_the_public_key_are_none() {
    let good = claims(&json!({}));
    for none in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "ES512", "RS1"] {
        let header = json!({ "alg": none, "kid": "k1" });
        refused(&signed_with(&header, &good, |_| Vec::new()), "is not signed with RS256");
    }
    let header = json!({ "alg": "HS256", "kid": "k1" });
    let public = rsa_jwk(&RSA, &json!({}))["n"].as_str().expect("a key").to_owned();
    let text = signed_with(&header, &good, |signed| {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(public.as_bytes()).expect("a key");
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().to_vec()
    });
    refused(&text, "is not signed with RS256");
    // Nor is a shared secret that the provider publishes a key.
    let keys = set(&[json!({ "kty": "oct", "kid": "k1", "k": base64("secret") })]);
    assert!(verify(&text, &keys).is_err() && verify(&token(&json!({})), &keys).is_err());
    let text = token(&json!({}));
    let (signed, _) = text.rsplit_once('.').expect("a token");
    refused(&format!("{signed}."), "signature");
    refused(&format!("{signed}.AAAA"), "signature");
    refused(&text.replace(".ey", ".fy"), "signature");
    let own = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let mut header = json!({ "alg": "RS256", "kid": "k1", "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/cert" });
    header["jwk"] = rsa_jwk(&own, &json!({}));
    let text = signed_with(&header, &good, |signed| sign_rsa(&own, &RSA_PKCS1_SHA256, signed));
    refused(&text, "signature");
    let text = signed_with(&header, &good, |signed| sign_rsa(&RSA, &RSA_PKCS1_SHA256, signed));
    assert!(verify_one(&text).is_ok(), "keys that a token brings along are not looked at");
}

#[test]
fn a_key_fits_by_its_name_its_algorithm_and_its_use() {
    let text = token(&json!({}));
    let with = |more: &Json| verify(&text, &set(&[rsa_jwk(&RSA, more)]));
    assert!(with(&json!({ "alg": "RS256" })).is_ok());
    for other in [
        json!({ "alg": "RS512" }),
        json!({ "alg": "RSA-OAEP" }),
        json!({ "use": "enc" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "crv": "P-256" }),
        json!({ "kty": "EC" }),
    ] {
        let refusal = with(&other).expect_err("refused");
        assert!(refusal.contains("another algorithm or use"), "{other}: {refusal}");
    }
    // After a rotation the old key is gone.
    let renamed = with(&json!({ "kid": "k2" }));
    assert!(renamed.expect_err("refused").contains("does not publish"));
    // Two keys of one name: which of them signed is not tried out.
    let twice = set(&[rsa_jwk(&RSA, &json!({})), rsa_jwk(&RSA_OTHER, &json!({}))]);
    assert!(verify(&text, &twice).expect_err("refused").contains("several keys"));
    // Unless only one of them is for the algorithm (RFC 7517, 4.5).
    let ed = Ed25519KeyPair::generate().expect("a key");
    let other =
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": base64(ed.public_key()) });
    assert!(verify(&text, &set(&[rsa_jwk(&RSA, &json!({})), other])).is_ok());
    // Without a name, the only key that fits.
    let header = json!({ "alg": "RS256" });
    let text = signed_with(&header, &claims(&json!({})), |signed| {
        sign_rsa(&RSA, &RSA_PKCS1_SHA256, signed)
    });
    assert!(verify_one(&text).is_ok());
    assert!(verify(&text, &twice).is_err());
    assert_eq!(
        verify(&text, &KeySet::default()).expect_err("refused"),
        JwtRefusal::UnknownKey.to_string()
    );
    assert!(KeySet::parse(b"[]").is_err() && KeySet::parse(b"{}").is_err());
    let many: Vec<Json> = (0..101).map(|_| json!({})).collect();
    assert!(KeySet::parse(json!({ "keys": many }).to_string().as_bytes()).is_err());
    let short = json!({ "kty": "RSA", "kid": "k1", "n": base64([255; 64]), "e": "AQAB" });
    assert!(verify(&token(&json!({})), &set(&[short])).is_err(), "512 bits");
}

#[test]
fn a_token_is_from_the_issuer_for_us_and_of_now() {
    for (change, why) in [
        (json!({ "iss": "https://login.example.com/a/" }), "(iss)"),
        (json!({ "iss": "https://evil.example" }), "(iss)"),
        (json!({ "iss": null }), "missing"),
        (json!({ "aud": "other" }), "(aud)"),
        (json!({ "aud": [] }), "(aud)"),
        (json!({ "aud": ["other"] }), "(aud)"),
        (json!({ "aud": null }), "missing"),
        (json!({ "aud": ["annals", "other"] }), "(azp)"),
        (json!({ "aud": ["annals", "other"], "azp": "other" }), "(azp)"),
        (json!({ "exp": null }), "missing"),
        (json!({ "exp": "soon" }), "missing"),
        (json!({ "exp": SECONDS - 60 }), "expired"),
        (json!({ "nbf": SECONDS + 61 }), "not valid yet"),
        (json!({ "iat": SECONDS + 61 }), "in the future"),
        (json!({ "iat": null }), "missing"),
        (json!({ "sub": "" }), "(sub)"),
        (json!({ "sub": "a\nb" }), "(sub)"),
        (json!({ "sub": "x".repeat(256) }), "(sub)"),
        (json!({ "sub": 7 }), "missing"),
        (json!({ "groups": "auditors" }), "groups"),
        (json!({ "groups": [1] }), "groups"),
        (json!({ "events": {} }), "another use"),
        (json!({ "cnf": { "jkt": "x" } }), "another use"),
    ] {
        refused(&token(&change), why);
    }
    for change in [
        json!({ "exp": SECONDS - 59 }),
        json!({ "exp": SECONDS as f64 + 0.5 }),
        json!({ "nbf": SECONDS + 59, "iat": SECONDS + 59 }),
        json!({ "aud": ["annals"], "azp": "a-script" }),
        json!({ "aud": ["annals", "other"], "azp": "annals" }),
    ] {
        assert!(verify_one(&token(&change)).is_ok(), "{change}");
    }
}

#[test]
fn what_must_be_understood_is_refused_and_so_is_what_is_too_large() {
    let good = claims(&json!({}));
    let with = |header: &Json| {
        verify_one(&signed_with(header, &good, |signed| sign_rsa(&RSA, &RSA_PKCS1_SHA256, signed)))
    };
    let header = |name: &str, value: Json| {
        let mut header = json!({ "alg": "RS256", "kid": "k1" });
        header[name] = value;
        header
    };
    let crit = header("crit", json!(["b64"]));
    assert!(with(&crit).expect_err("refused").contains("crit"));
    assert!(with(&header("crit", json!([]))).is_err());
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        assert!(with(&header("typ", json!(kind))).is_ok(), "{kind}");
    }
    for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", ""] {
        assert!(with(&header("typ", json!(kind))).expect_err("refused").contains("(typ)"));
    }
    refused(&token(&json!({ "x": "y".repeat(20_000) })), "16 KiB");
    for text in ["", ".", "..", "a.b.c", "eyJ.eyJ.x", "eyJhbGciOiJSUzI1NiJ9.e30"] {
        refused(text, "JSON Web Token");
    }
    refused(&token(&json!({})).replacen('.', "=.", 1), "JSON Web Token");
    assert!(is_jwt("eyJ.x.y") && !is_jwt("annals_a.b.c") && !is_jwt("eyJ.x") && !is_jwt("a.b.c"));
}

#[test]
fn the_answer_to_a_sign_in_is_the_answer_to_this_one() {
    let keys = set(&[rsa_jwk(&RSA, &json!({}))]);
    let answer = |change: &Json, access_token: Option<&str>| {
        let purpose = JwtPurpose::SignIn { nonce: "n1", access_token };
        let text = token(change);
        let jwt = UnverifiedJwt::parse(&text).expect("a token");
        jwt.verify(&keys, &expected(purpose), NOW).map_err(|refusal| refusal.to_string())
    };
    assert!(answer(&json!({ "nonce": "n1" }), None).is_ok());
    assert!(answer(&json!({ "nonce": "n1", "azp": "annals" }), None).is_ok());
    for (change, why) in [
        (json!({}), "(nonce)"),
        (json!({ "nonce": "n2" }), "(nonce)"),
        (json!({ "nonce": "n1", "azp": "other" }), "(azp)"),
    ] {
        assert!(answer(&change, None).expect_err("refused").contains(why), "{change}");
    }
    let hash = base64(&Sha256::digest(b"access")[..16]);
    let change = json!({ "nonce": "n1", "at_hash": hash });
    assert!(answer(&change, Some("access")).is_ok());
    for other in [Some("other"), None] {
        assert!(answer(&change, other).expect_err("refused").contains("(at_hash)"));
    }
    // Each algorithm has its hash.
    for (name, encoding, hash) in [
        ("RS384", &RSA_PKCS1_SHA384, Sha384::digest(b"access").to_vec()),
        ("RS512", &RSA_PKCS1_SHA512, Sha512::digest(b"access").to_vec()),
    ] {
        let own = claims(&json!({ "nonce": "n1", "at_hash": base64(&hash[..hash.len() / 2]) }));
        let header = json!({ "alg": name, "kid": "k1" });
        let text = signed_with(&header, &own, |signed| sign_rsa(&RSA, encoding, signed));
        let purpose = JwtPurpose::SignIn { nonce: "n1", access_token: Some("access") };
        let jwt = UnverifiedJwt::parse(&text).expect("a token");
        assert!(jwt.verify(&keys, &expected(purpose), NOW).is_ok(), "{name}");
    }
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "at+jwt" });
    let text = signed_with(&header, &claims(&json!({ "nonce": "n1" })), |signed| {
        sign_rsa(&RSA, &RSA_PKCS1_SHA256, signed)
    });
    let purpose = JwtPurpose::SignIn { nonce: "n1", access_token: None };
    let jwt = UnverifiedJwt::parse(&text).expect("a token");
    assert!(jwt.verify(&keys, &expected(purpose), NOW).is_err(), "an access token");
}
