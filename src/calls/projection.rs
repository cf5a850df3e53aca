//! What an answer contains of each event: all fields or some, with or without the record, long
//! texts whole or truncated.

use crate::calls::Pairs;
use crate::error::{Error, Result};
use crate::event::{Event, FIELDS, Field, FieldDef, FieldKind, Value, clip};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

/// The maximum length, in characters, that texts may be truncated to: there is no use for more.
const CUT_MAX: usize = 100_000;
/// The key under which an event lists its truncated fields.
const CUT: &str = "cut";

/// What an answer contains of each event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Projection {
    /// Only these fields; if none are named, all but the record.
    fields: Option<Vec<Field>>,
    original: bool,
    /// The maximum length of texts, in characters.
    cut: Option<usize>,
}

impl Projection {
    /// Reads `fields`, `original` and `cut`.
    pub(crate) fn parse(pairs: &Pairs) -> Result<Self> {
        let names = pairs.all("fields");
        let mut fields = Vec::new();
        for name in names.iter().flat_map(|names| names.split(',')).map(str::trim) {
            let field = Field::from_name(name);
            let field = field.ok_or_else(|| {
                Error::parameter(
                    "fields",
                    format!("{:?} is not a field; /api/v1/fields lists them", clip(name, 60)),
                )
            })?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let cut = pairs.number(CUT)?;
        if cut.is_some_and(|cut| !(1..=CUT_MAX).contains(&cut)) {
            return Err(Error::parameter(CUT, format!("is 1 to {CUT_MAX} letters")));
        }
        Ok(Self {
            fields: (!names.is_empty()).then_some(fields),
            original: pairs.flag("original")?,
            cut,
        })
    }

    /// Projects an event to JSON. Every truncated field is listed in `cut`, so that nothing
    /// truncated is taken for whole.
    pub(crate) fn event(&self, event: &Event) -> Json {
        let mut shown = Map::new();
        let mut cut = Vec::new();
        for def in FIELDS.iter().filter(|def| self.has(def.field)) {
            let Some(mut value) = event.field_json(def.field) else { continue };
            if self.cut.is_some_and(|letters| may_be_cut(def) && cut_texts(&mut value, letters)) {
                cut.push(Json::from(def.name));
            }
            shown.insert(def.name.to_owned(), value);
        }
        if !cut.is_empty() {
            shown.insert(CUT.to_owned(), cut.into());
        }
        Json::Object(shown)
    }

    /// Writes the projected event.
    fn write<S: Serializer>(&self, event: &Event, serializer: S) -> Result<S::Ok, S::Error> {
        if self.cut.is_some() {
            return self.event(event).serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for def in FIELDS.iter().filter(|def| self.has(def.field)) {
            match event.value(def.field) {
                Value::Absent => {}
                Value::Text(text) => map.serialize_entry(def.name, text)?,
                Value::Bool(flag) => map.serialize_entry(def.name, &flag)?,
                Value::Time(time) => map.serialize_entry(def.name, &time.to_string())?,
                Value::Integer(number) => map.serialize_entry(def.name, &number)?,
                Value::Decimal(amount) => map.serialize_entry(def.name, &amount.to_string())?,
                Value::List(items) => map.serialize_entry(def.name, &items)?,
            }
        }
        map.end()
    }

    fn has(&self, field: Field) -> bool {
        match &self.fields {
            Some(fields) => fields.contains(&field) || (field == Field::Original && self.original),
            None => field != Field::Original || self.original,
        }
    }
}

/// An event with its projection, ready to be written.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) shape: &'a Projection,
    pub(crate) event: &'a Event,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shape.write(self.event, serializer)
    }
}

/// Returns whether a field may be truncated: times, numbers, fields with few values and the ids by
/// which events are requested never are.
fn may_be_cut(def: &FieldDef) -> bool {
    matches!(def.kind, FieldKind::Text | FieldKind::List)
        && !matches!(def.field, Field::TraceId | Field::Tenant)
}

/// Truncates the texts of a value; returns whether any was longer.
fn cut_texts(value: &mut Json, letters: usize) -> bool {
    match value {
        Json::String(text) => match text.char_indices().nth(letters) {
            Some((end, _)) => {
                text.truncate(end);
                true
            }
            None => false,
        },
        Json::Array(items) => {
            items.iter_mut().fold(false, |cut, item| cut_texts(item, letters) | cut)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shaped(query: &str) -> Result<Json> {
        let mut event = Event::default();
        event.set(Field::Operator, "张三李四");
        event.set(Field::Source, "ECS");
        event.set(Field::TraceId, "an-id");
        event.relate("quota", "0123456789");
        event.original = "{\"a\":1}".into();
        let shape = Projection::parse(&Pairs::from_query(query))?;
        let written = serde_json::to_value(Shown { shape: &shape, event: &event }).expect("JSON");
        assert_eq!(written, shape.event(&event), "written and as a tree it is the same");
        Ok(written)
    }

    #[test]
    fn an_event_has_what_was_asked_for_and_says_what_is_cut() {
        assert_eq!(
            shaped("fields=source,operator&fields=source").expect("fields"),
            json!({ "source": "ECS", "operator": "张三李四" })
        );
        assert_eq!(
            shaped("fields=operator&cut=2").expect("fields"),
            json!({ "operator": "张三", "cut": ["operator"] })
        );
        let kept = shaped("fields=trace_id,time&cut=1").expect("fields");
        assert_eq!(
            kept,
            json!({ "trace_id": "an-id", "time": "1970-01-01T00:00:00.000Z" }),
            "times and ids are whole"
        );
        assert_eq!(
            shaped("fields=operator&cut=4").expect("fields"),
            json!({ "operator": "张三李四" })
        );
        let related = json!({ "related_ids": ["quota:01"], "cut": ["related_ids"] });
        assert_eq!(shaped("fields=related_ids&cut=8").expect("fields"), related);
        assert_eq!(
            shaped("fields=source,original").expect("fields"),
            json!({ "source": "ECS", "original": "{\"a\":1}" })
        );
        assert_eq!(
            shaped("fields=source&original=true").expect("fields"),
            json!({ "source": "ECS", "original": "{\"a\":1}" })
        );
        let all = shaped("").expect("everything");
        assert!(
            all.get("original").is_none()
                && all.get("cut").is_none()
                && all["related_ids"] == json!(["quota:0123456789"])
        );
    }

    #[test]
    fn what_is_no_field_and_no_length_is_named() {
        for (query, parameter) in [
            ("fields=", "fields"),
            ("fields=source,sauce", "fields"),
            ("cut=0", "cut"),
            ("cut=100001", "cut"),
            ("cut=x", "cut"),
        ] {
            assert_eq!(
                shaped(query).expect_err(query).parameter_name(),
                Some(parameter),
                "{query}"
            );
        }
    }
}
