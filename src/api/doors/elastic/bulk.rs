//! The grammar of `_bulk`: one line per action, each except `delete` followed by its document.

use crate::error::{Error, ErrorKind, Result, without_values};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The maximum number of actions in a request: each needs memory, however short it is.
const ACTIONS_MAX: usize = 200_000;

/// The operation of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BulkOperation {
    Index,
    Create,
    Update,
    Delete,
}

impl BulkOperation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One action of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Action<'a> {
    pub(super) operation: BulkOperation,
    /// The index, from the action or from the path.
    pub(super) index: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    /// The document; empty for a deletion.
    pub(super) document: &'a [u8],
}

/// The keys of an action's line that are read; others (`routing`, `_type`, `version` …) mean
/// nothing to an append-only store.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target<'a> {
    #[serde(borrow, rename = "_index")]
    index: Option<Scalar<'a>>,
    #[serde(borrow, rename = "_id")]
    id: Option<Scalar<'a>>,
    op_type: Option<String>,
}

/// A string, or a number with the digits that it was written with: clients write ids as both.
#[derive(Debug)]
struct Scalar<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw)
                .map(|text: String| Self(Cow::Owned(text)))
                .map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(Cow::Borrowed(raw))),
            _ => Err(D::Error::custom("is neither a string nor a number")),
        }
    }
}

impl<'a> Scalar<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// Parses the actions of a body. `path_index` is the index that the URL names.
///
/// # Errors
/// Too many actions; a line that is not an action; an action without its document. In the last two
/// cases it cannot be known which lines are documents.
pub(super) fn parse<'a>(body: &'a [u8], path_index: Option<&'a str>) -> Result<Vec<Action<'a>>> {
    let mut lines = (1_usize..).zip(body.split(|byte| *byte == b'\n'));
    let mut actions = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if actions.len() == ACTIONS_MAX {
            let what = format!("a request has at most {ACTIONS_MAX} actions: send it in parts");
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        let (operation, target) = action(line)
            .map_err(|error| error.at(format!("Malformed action/metadata line [{number}]")))?;
        let document = match operation {
            BulkOperation::Delete => &[][..],
            _ => lines.next().map(|(_, line)| line.trim_ascii()).ok_or_else(|| {
                Error::invalid(format!(
                    "the action of line [{number}] has no document: the body ends after it"
                ))
            })?,
        };
        let index = target.index.and_then(Scalar::into_text).or(path_index.map(Cow::Borrowed));
        actions.push(Action {
            operation,
            index,
            id: target.id.and_then(Scalar::into_text),
            document,
        });
    }
    Ok(actions)
}

fn action(line: &[u8]) -> Result<(BulkOperation, Target<'_>)> {
    let mut named: BTreeMap<String, Target<'_>> =
        serde_json::from_slice(line).map_err(|cause| {
            Error::invalid("is no object of one action").because(without_values(&cause))
        })?;
    let (name, target) = named
        .pop_first()
        .filter(|_| named.is_empty())
        .ok_or_else(|| Error::invalid("expected one action"))?;
    let operation = match name.as_str() {
        "index" if target.op_type.as_deref() == Some("create") => BulkOperation::Create,
        "index" => BulkOperation::Index,
        "create" => BulkOperation::Create,
        "update" => BulkOperation::Update,
        "delete" => BulkOperation::Delete,
        // The unexpected key is not quoted: if lines are missing, it belongs to a document.
        _ => {
            return Err(Error::invalid(
                "expected field [create], [delete], [index] or [update] but found another",
            ));
        }
    };
    Ok((operation, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(
        body: &'a str,
        index: Option<&'a str>,
    ) -> Vec<(BulkOperation, Option<String>, Option<String>, &'a str)> {
        let actions = parse(body.as_bytes(), index).expect("a body in the grammar");
        let plain = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let text = |bytes| std::str::from_utf8(bytes).expect("text");
        actions
            .into_iter()
            .map(|action| {
                (action.operation, plain(action.index), plain(action.id), text(action.document))
            })
            .collect()
    }

    #[test]
    fn what_real_clients_send_is_read() {
        use BulkOperation::{Create, Delete, Index, Update};
        let some = |text: &str| Some(text.to_owned());
        // elasticsearch-py, Fluent Bit, rsyslog, Logstash, syslog-ng.
        let body = "{\"create\":{\"_id\":\"e1\",\"_index\":\"audit-2025\"}}\n{\"a\":1}\n{\"create\":{\"_index\":\"fluent-bit\",\"_type\":\"_doc\"}}\r\n{}\r\n\
                    {\"index\":{\"_index\": \
                    \"system\",\"_type\":\"events\"}}\n{\"b\":\"é\"}\n{\"index\":{\"_id\":null,\"_index\":\"logstash\",\"routing\":null}}\n{\"c\":3}\n\
                    \n{\"create\":{ }}\n{\"d\":4}";
        assert_eq!(
            parsed(body, Some("of-path")),
            [
                (Create, some("audit-2025"), some("e1"), "{\"a\":1}"),
                (Create, some("fluent-bit"), None, "{}"),
                (Index, some("system"), None, "{\"b\":\"é\"}"),
                (Index, some("logstash"), None, "{\"c\":3}"),
                (Create, some("of-path"), None, "{\"d\":4}"),
            ]
        );
        let body = "{\"delete\":{\"_id\":7}}\n{\"update\":{\"_id\":\"x\"}}\n{\"doc\":{}}\n{\"index\":{\"op_type\":\"create\"}}\n{}\n";
        assert_eq!(
            parsed(body, None),
            [
                (Delete, None, some("7"), ""),
                (Update, None, some("x"), "{\"doc\":{}}"),
                (Create, None, None, "{}")
            ]
        );
        assert_eq!(parsed("", None), []);
    }

    #[test]
    fn ids_keep_their_digits() {
        let body = concat!(
            "{\"index\":{\"_id\":12345678901234567890123}}\n{}\n",
            "{\"index\":{\"_id\":1.50}}\n{}\n"
        );
        let ids: Vec<_> = parsed(body, None).into_iter().map(|(_, _, id, _)| id).collect();
        assert_eq!(ids, [Some("12345678901234567890123".to_owned()), Some("1.50".to_owned())]);
    }

    #[test]
    fn what_is_no_action_is_refused_with_its_line() {
        for (body, line) in [
            ("{\"index\":{}}\n{}\nnonsense\n", 3),
            ("{\"index\":{},\"create\":{}}\n{}\n", 1),
            ("{\"upsert\":{}}\n{}\n", 1),
            ("[]\n", 1),
            ("{\"index\":{}}", 1),
        ] {
            let error = parse(body.as_bytes(), None).expect_err(body).to_string();
            assert!(error.contains(&format!("line [{line}]")), "{body}: {error}");
        }
    }
}
