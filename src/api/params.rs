//! Parameters from a request's URL.

use super::App;
use crate::calls::Pairs;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

/// The largest JSON filter.
/// Its record in the trail has the whole of it.
pub(super) const QUESTION_BYTES_MAX: usize = 256 << 10;

impl<S: Sync> FromRequestParts<S> for Pairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::from_query(parts.uri.query().unwrap_or_default()))
    }
}

/// Merges the parameters of a JSON body and of the URL.
pub(super) async fn read_json_pairs(
    app: &App,
    url: Pairs,
    body: Body,
) -> crate::error::Result<Pairs> {
    let body = app.read_body(body, QUESTION_BYTES_MAX).await?;
    let mut pairs = Pairs::from_json(&body)?;
    pairs.0.extend(url.0);
    Ok(pairs)
}

/// Merges them where the body is optional.
pub(super) async fn read_pairs(app: &App, url: Pairs, body: Body) -> crate::error::Result<Pairs> {
    let body = app.read_body(body, QUESTION_BYTES_MAX).await?;
    let mut pairs =
        if body.trim_ascii().is_empty() { Pairs::default() } else { Pairs::from_json(&body)? };
    pairs.0.extend(url.0);
    Ok(pairs)
}
