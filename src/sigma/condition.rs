//! The condition of a rule: `selection and not 1 of filter_*`.

use super::refused;
use crate::error::Result;
use serde_json::{Map, Value as Json, json};

/// The part of a rule that this file parses.
const PART: &str = "detection.condition";
/// The maximum nesting of parentheses.
const DEPTH_MAX: usize = 32;
/// The longest condition, in bytes.
const BYTES_MAX: usize = 8192;

/// A condition over selections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SelectionCondition {
    Selection(String),
    All(Vec<SelectionCondition>),
    Any(Vec<SelectionCondition>),
    Not(Box<SelectionCondition>),
}

impl SelectionCondition {
    /// Returns the condition as a group of the filter language; `group` translates a selection.
    pub(super) fn group(&self, group: &mut impl FnMut(&str) -> Result<Json>) -> Result<Json> {
        let mut each = |members: &[Self]| {
            members.iter().map(|member| member.group(group)).collect::<Result<Vec<_>>>()
        };
        Ok(match self {
            Self::Selection(name) => group(name)?,
            Self::All(members) => json!({ "all": each(members)? }),
            Self::Any(members) => json!({ "any": each(members)? }),
            Self::Not(member) => json!({ "not": member.group(group)? }),
        })
    }
}

/// Parses the condition of `detection`; if there are several conditions, any of them must hold.
pub(super) fn read(detection: &Map<String, Json>) -> Result<SelectionCondition> {
    let names: Vec<&str> = detection
        .keys()
        .map(String::as_str)
        .filter(|name| !matches!(*name, "condition" | "timeframe"))
        .collect();
    let one = |text: &Json| {
        let text = text.as_str().ok_or_else(|| refused(PART, "is a text or a list of texts"))?;
        ConditionParser::new(text, &names)?.whole()
    };
    match detection.get("condition") {
        Some(Json::Array(texts)) if !texts.is_empty() => {
            Ok(joined(texts.iter().map(one).collect::<Result<Vec<_>>>()?, SelectionCondition::Any))
        }
        Some(text) => one(text),
        None => Err(refused(PART, "is missing")),
    }
}

/// Returns a single member as it is, and joins several.
fn joined(
    mut members: Vec<SelectionCondition>,
    join: fn(Vec<SelectionCondition>) -> SelectionCondition,
) -> SelectionCondition {
    if members.len() == 1 { members.remove(0) } else { join(members) }
}

struct ConditionParser<'a> {
    words: Vec<&'a str>,
    at: usize,
    names: &'a [&'a str],
}

impl<'a> ConditionParser<'a> {
    fn new(text: &'a str, names: &'a [&'a str]) -> Result<Self> {
        if text.len() > BYTES_MAX {
            return Err(refused(PART, format!("has more than {BYTES_MAX} bytes")));
        }
        if let Some((_, aggregation)) = text.split_once('|') {
            return Err(refused(
                PART,
                format!(
                    "aggregates ({}): rules of single events can be translated",
                    aggregation.trim()
                ),
            ));
        }
        let mut words = Vec::new();
        for piece in text.split_whitespace() {
            let mut rest = piece;
            while let Some(at) = rest.find(['(', ')']) {
                words.extend(
                    [&rest[..at], &rest[at..=at]].into_iter().filter(|word| !word.is_empty()),
                );
                rest = &rest[at + 1..];
            }
            words.extend(Some(rest).filter(|word| !word.is_empty()));
        }
        Ok(Self { words, at: 0, names })
    }

    fn whole(mut self) -> Result<SelectionCondition> {
        let condition = self.any(0)?;
        match self.next() {
            None => Ok(condition),
            Some(word) => {
                Err(refused(PART, format!("has {word:?} where and, or, or its end should be")))
            }
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn skip(&mut self, wanted: &str) -> bool {
        let here = self.words.get(self.at).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(here);
        here
    }

    fn any(&mut self, depth: usize) -> Result<SelectionCondition> {
        let mut members = vec![self.all(depth)?];
        while self.skip("or") {
            members.push(self.all(depth)?);
        }
        Ok(joined(members, SelectionCondition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<SelectionCondition> {
        let mut members = vec![self.not(depth)?];
        while self.skip("and") {
            members.push(self.not(depth)?);
        }
        Ok(joined(members, SelectionCondition::All))
    }

    fn not(&mut self, depth: usize) -> Result<SelectionCondition> {
        if depth > DEPTH_MAX {
            return Err(refused(PART, format!("nests more than {DEPTH_MAX} levels deep")));
        }
        if self.skip("not") {
            return Ok(SelectionCondition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.skip("(") {
            let inner = self.any(depth + 1)?;
            return if self.skip(")") {
                Ok(inner)
            } else {
                Err(refused(PART, "has an opening parenthesis that is not closed"))
            };
        }
        match self.next() {
            None => Err(refused(PART, "ends where a selection should be")),
            Some(word) if self.skip("of") => self.of(word),
            Some(word) if self.names.contains(&word) => {
                Ok(SelectionCondition::Selection(word.to_owned()))
            }
            Some(word) => {
                Err(refused(PART, format!("names {word:?}, and there is no such selection")))
            }
        }
    }

    /// Parses `1 of them` or `all of selection_*`.
    fn of(&mut self, count: &str) -> Result<SelectionCondition> {
        let join = match count.to_lowercase().as_str() {
            "1" | "any" => SelectionCondition::Any,
            "all" => SelectionCondition::All,
            _ => {
                return Err(refused(
                    PART,
                    format!("counts {count:?}: 1 of and all of can be translated"),
                ));
            }
        };
        let pattern = self.next().ok_or_else(|| refused(PART, "ends behind of"))?;
        let meant = |name: &&&str| match pattern {
            // Names that begin with an underscore are not included in "them".
            "them" => !name.starts_with('_'),
            _ => crate::text::Glob::parse(pattern).matches(name),
        };
        let members: Vec<SelectionCondition> = self
            .names
            .iter()
            .filter(meant)
            .map(|name| SelectionCondition::Selection((*name).to_owned()))
            .collect();
        if members.is_empty() {
            return Err(refused(PART, format!("matches no selection with {pattern:?}")));
        }
        Ok(joined(members, join))
    }
}
