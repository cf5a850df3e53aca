//! The credential of a request, in any of the forms that clients can send.

use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The header by which clients of Huawei Cloud send a token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// The name that stands for any principal in HTTP Basic.
const ANY_NAME: &str = "token";

/// A token as it was sent. It cannot be printed, and is not compared letter by letter.
pub(super) struct Presented {
    /// The token.
    pub(super) token: String,
    /// The principal or the token's id that was sent with it, which must be its own.
    pub(super) of: Option<PresentedOf>,
}

/// Whom a token was sent for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PresentedOf {
    /// The principal of this name.
    Principal(String),
    /// The token with this id.
    Token(String),
}

/// Reads the credential of a request; `None` if it has none.
///
/// * `Authorization: Bearer TOKEN` (RFC 6750),
/// * `Authorization: Basic base64(NAME:TOKEN)` (RFC 7617), where the name is the principal's or
///   `token`,
/// * `Authorization: ApiKey base64(ID:TOKEN)` of Elasticsearch, with the token's id,
/// * `X-Auth-Token: TOKEN` of Huawei Cloud.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<Presented>, &'static str> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value
                .to_str()
                .map(|text| Some(text.trim()))
                .map_err(|_| "the credential is not plain text"),
            _ => Err("there are several credentials: send one"),
        }
    };
    let plain = |token: &str| Presented { token: token.to_owned(), of: None };
    match (one(header::AUTHORIZATION)?, one(AUTH_TOKEN)?) {
        (None, None) => Ok(None),
        (None, Some(token)) => Ok(Some(plain(token))),
        (Some(_), Some(_)) => Err("there are several credentials: send one"),
        (Some(authorization), None) => {
            let (scheme, value) = authorization.split_once(' ').unwrap_or((authorization, ""));
            let value = value.trim();
            let presented = match scheme.to_ascii_lowercase().as_str() {
                "bearer" => plain(value),
                "basic" => pair(value, |name| {
                    (name != ANY_NAME).then(|| PresentedOf::Principal(name.to_owned()))
                })?,
                "apikey" => pair(value, |id| Some(PresentedOf::Token(id.to_owned())))?,
                _ => {
                    return Err(
                        "this kind of Authorization is not known here: send Bearer, Basic \
                                 or ApiKey with a token",
                    );
                }
            };
            Ok(Some(presented))
        }
    }
}

/// Reads two texts in base64, with a colon between them.
fn pair(
    value: &str,
    of: impl FnOnce(&str) -> Option<PresentedOf>,
) -> Result<Presented, &'static str> {
    let wrong = "the credential is not base64 of a name, a colon and a token";
    let bytes = STANDARD_NO_PAD.decode(value.trim_end_matches('=')).map_err(|_| wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong)?;
    let (name, token) = text.split_once(':').ok_or(wrong)?;
    Ok(Presented { token: token.to_owned(), of: of(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn basic(name: &str, token: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{name}:{token}")))
    }

    fn read_of(headers: &[(&str, &str)]) -> Result<Option<Presented>, &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::try_from(*name).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        read(&map)
    }

    #[test]
    fn a_token_is_read_from_every_form() {
        let token = |headers: &[(&str, &str)]| {
            read_of(headers).expect("a credential").map(|sent| (sent.token, sent.of))
        };
        let plain = Some(("t:1".to_owned(), None));
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("authorization", "Bearer t:1")]), plain);
        assert_eq!(token(&[("authorization", "bEARER   t:1 ")]), plain);
        assert_eq!(token(&[("x-auth-token", "t:1")]), plain);
        assert_eq!(token(&[("authorization", &basic("token", "t:1"))]), plain);
        assert_eq!(
            token(&[("authorization", &basic("li", "t:1"))]),
            Some(("t:1".to_owned(), Some(PresentedOf::Principal("li".to_owned()))))
        );
        let key = format!("ApiKey {}", STANDARD.encode("id:t:1"));
        let of_id = Some(("t:1".to_owned(), Some(PresentedOf::Token("id".to_owned()))));
        assert_eq!(token(&[("authorization", &key)]), of_id);
        assert_eq!(token(&[("authorization", key.trim_end_matches('='))]), of_id);
    }

    #[test]
    fn what_is_ambiguous_or_unreadable_is_no_credential() {
        for headers in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")][..],
            &[("authorization", "Bearer a"), ("x-auth-token", "a")],
            &[("x-auth-token", "a"), ("x-auth-token", "a")],
            &[("authorization", "Digest a")],
            &[("authorization", "")],
            &[("authorization", "Basic %%%")],
            &[("authorization", "Basic bm8gY29sb24=")],
            &[("authorization", "ApiKey /////w==")],
        ] {
            assert!(read_of(headers).is_err(), "{headers:?}");
        }
    }
}
