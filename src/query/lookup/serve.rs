//! What the index knows of a clause: rows that every match is among, and whether those are exactly the matches.

use super::super::filter::{Clause, Condition, RecordTest, Test, ValueMatch, ValueTest};
use super::rows_of::{Candidates, Docs, Served};
use crate::error::Result;
use crate::event::{Field, IndexKind};
use crate::storage::segment::IndexReader;
use crate::text::{Wanted, fold, words_of};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;

/// More terms than this for one condition are not gathered: the columns are read instead.
const TERMS_MAX: usize = 4_096;
/// Terms of a field that are looked through to find those in a network.
const TERMS_SEEN_MAX: usize = 65_536;

/// Rows that every match is among.
pub(super) struct Found {
    /// A match is in all of these; any row is if there are none.
    pub(super) required: Vec<Docs>,
    /// Every row that is in all of them matches.
    pub(super) exact: bool,
}

impl Found {
    fn of(docs: Docs, exact: bool) -> Self {
        Self { required: vec![docs], exact }
    }
}

/// Serves clauses from one index, for a range of rows.
pub(super) struct Server<'a> {
    index: &'a IndexReader,
    rows: &'a Range<u32>,
}

impl<'a> Server<'a> {
    pub(super) fn new(index: &'a IndexReader, rows: &'a Range<u32>) -> Self {
        Self { index, rows }
    }

    /// The rows that a negated clause excludes, if the index knows them for certain.
    pub(super) fn excluded(&self, clause: &Clause) -> Result<Option<Docs>> {
        let found = match clause {
            Clause::Field(condition) if condition.negated => self.condition(&Condition { negated: false, ..condition.clone() })?,
            Clause::Not(clause) => self.serve(clause)?,
            _ => None,
        };
        Ok(found.filter(|found| found.exact).map(|found| self.one(found)))
    }

    /// What the index knows of a clause; `None` if nothing.
    pub(super) fn serve(&self, clause: &Clause) -> Result<Option<Found>> {
        match clause {
            Clause::Field(condition) if !condition.negated => self.condition(condition),
            Clause::Field(_) | Clause::Not(_) => {
                let Some(docs) = self.excluded(clause)? else { return Ok(None) };
                let size = docs.size();
                let rest = Candidates::new(vec![Served { docs, negated: true, size }], self.rows.clone()).take(usize::MAX);
                Ok(Some(Found::of(Docs::List(rest), true)))
            }
            Clause::Record(_) if !self.index.has_words() => Ok(None),
            Clause::Record(test) => self.record(test),
            Clause::All(clauses) => self.all(clauses),
            Clause::Any(clauses) => {
                let found = clauses.iter().map(|clause| self.serve(clause)).collect::<Result<Option<Vec<Found>>>>()?;
                Ok(found.map(|found| self.any(found)))
            }
        }
    }

    fn all(&self, clauses: &[Clause]) -> Result<Option<Found>> {
        let mut all = Found { required: Vec::new(), exact: true };
        let mut known = clauses.is_empty();
        for clause in clauses {
            match self.serve(clause)? {
                Some(found) => {
                    all.required.extend(found.required);
                    all.exact &= found.exact;
                    known = true;
                }
                None => all.exact = false,
            }
        }
        Ok(known.then_some(all))
    }

    /// The rows of any of these.
    fn any(&self, found: Vec<Found>) -> Found {
        let exact = found.iter().all(|found| found.exact);
        let mut rows: Vec<u32> = found.into_iter().flat_map(|found| self.list(found.required)).collect();
        rows.sort_unstable();
        rows.dedup();
        Found::of(Docs::List(rows), exact)
    }

    /// The rows in question that are in all of these.
    fn list(&self, required: Vec<Docs>) -> Vec<u32> {
        let served = required.into_iter().map(|docs| Served { size: docs.size(), docs, negated: false }).collect();
        Candidates::new(served, self.rows.clone()).take(usize::MAX)
    }

    fn one(&self, mut found: Found) -> Docs {
        match found.required.len() {
            1 => found.required.remove(0),
            _ => Docs::List(self.list(found.required)),
        }
    }

    fn record(&self, test: &RecordTest) -> Result<Option<Found>> {
        match test {
            RecordTest::Words(needle) => {
                let (wanted, exact) = words_of(needle, false, false);
                self.wanted(&wanted, exact)
            }
            // What stands in the record with an escape has other words than what was typed.
            RecordTest::Substring(text) if text.contains('\\') => Ok(None),
            RecordTest::Substring(text) => self.wanted(&raw_words(text, true, true), false),
            RecordTest::Value(test) => self.values(test),
        }
    }

    fn values(&self, test: &ValueTest) -> Result<Option<Found>> {
        // The words of the path are words of keys.
        let path = test.path.as_ref().map(|path| words_of(path, false, false).0).unwrap_or_default();
        let mut any = Vec::new();
        for value in &test.any {
            let mut wanted = path.clone();
            if let ValueMatch::Glob(glob) = value {
                for (text, begins, ends) in glob.literals() {
                    wanted.extend(if test.cased { raw_words(text, !begins, !ends) } else { words_of(text, !begins, !ends).0 });
                }
            }
            match self.wanted(&wanted, false)? {
                Some(found) => any.push(found),
                None => return Ok(None),
            }
        }
        Ok(Some(if any.len() == 1 { any.remove(0) } else { self.any(any) }))
    }

    /// The rows whose records have all these words.
    fn wanted(&self, wanted: &[Wanted], exact: bool) -> Result<Option<Found>> {
        let mut required = Vec::new();
        for wanted in wanted {
            required.push(match wanted {
                Wanted::Term(term) => Docs::of(self.index.word(term)?.into_iter().collect()),
                Wanted::Id(id) => Docs::List(self.index.rows_near_id(id)?),
                Wanted::Beginning(letter) => match self.index.words_with_prefix(&letter.to_string(), TERMS_MAX)? {
                    Some(words) => {
                        let postings = words.iter().map(|word| self.index.word(word)).collect::<Result<Vec<_>>>()?;
                        Docs::of(postings.into_iter().flatten().collect())
                    }
                    None => return Ok(None),
                },
            });
        }
        Ok((!required.is_empty()).then_some(Found { required, exact }))
    }

    /// The rows that a condition has, and whether that is certain.
    fn condition(&self, condition: &Condition) -> Result<Option<Found>> {
        Ok(serve(self.index, condition)?.map(|(docs, exact)| Found::of(docs, exact)))
    }
}

/// The words of a text that was not folded. At an open end a letter that could melt into its neighbour when the record is
/// folded (kana, Hangul, an accent) proves nothing; ASCII and ideographs never do.
fn raw_words(text: &str, open_left: bool, open_right: bool) -> Vec<Wanted> {
    let firm = |letter: char| letter.is_ascii() || matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
    let mut text = text;
    if open_left {
        text = text.trim_start_matches(|letter| !firm(letter));
    }
    if open_right {
        text = text.trim_end_matches(|letter| !firm(letter));
    }
    let (mut wanted, _) = words_of(&fold(text), open_left, open_right);
    // Cut out of a record's bytes, `null` is no text of it.
    wanted.retain(|wanted| *wanted != Wanted::Term("null".to_owned()));
    wanted
}

/// The rows that a condition has according to the index, and whether that is certain. `None`: the index cannot tell.
fn serve(index: &IndexReader, condition: &Condition) -> Result<Option<(Docs, bool)>> {
    let field = condition.field;
    match (field.def().index, &condition.test) {
        (IndexKind::Term, Test::OneOf(values)) => Ok(Some((union(index, field, values)?, true))),
        (IndexKind::Term, Test::Prefix(prefixes)) => {
            let mut terms = Vec::new();
            for prefix in prefixes {
                // A long value's term is its beginning and a hash, so a prefix that reaches into the hash proves nothing.
                let found = if prefix.len() < 1_000 { index.values_with_prefix(field, prefix, TERMS_MAX)? } else { None };
                let Some(found) = found else { return Ok(None) };
                terms.extend(found);
            }
            Ok(Some((union_of_terms(index, field, terms)?, true)))
        }
        (IndexKind::Term, Test::Present) => match index.values_with_prefix(field, "", TERMS_MAX)? {
            Some(terms) => Ok(Some((union_of_terms(index, field, terms)?, true))),
            None => Ok(None),
        },
        (IndexKind::Term, Test::Address(values, networks)) => {
            if networks.is_empty() {
                return Ok(Some((union(index, field, values)?, true)));
            }
            let mut terms = values.clone();
            for network in networks {
                let Some(near) = index.values_with_prefix(field, &shared_text(network), TERMS_SEEN_MAX)? else { return Ok(None) };
                terms.extend(near.into_iter().filter(|term| term.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))));
            }
            if terms.len() > TERMS_MAX {
                return Ok(None);
            }
            Ok(Some((union_of_terms(index, field, terms)?, true)))
        }
        (IndexKind::Hash, Test::OneOf(values)) => {
            let mut rows = Vec::new();
            for value in values {
                rows.extend(index.candidates(field, value)?);
            }
            rows.sort_unstable();
            rows.dedup();
            Ok(Some((Docs::List(rows), false)))
        }
        _ => Ok(None),
    }
}

/// How the text of every address in a network begins: the octets that all share. IPv6 has too many ways to write one.
fn shared_text(network: &IpNet) -> String {
    match network {
        IpNet::V4(network) => {
            let octets = network.network().octets();
            let shared = usize::from(network.prefix_len() / 8);
            let text: Vec<String> = octets[..shared].iter().map(ToString::to_string).collect();
            if (1..4).contains(&shared) { format!("{}.", text.join(".")) } else { text.join(".") }
        }
        IpNet::V6(_) => String::new(),
    }
}

fn union(index: &IndexReader, field: Field, values: &[String]) -> Result<Docs> {
    let mut postings = Vec::new();
    for value in values {
        postings.extend(index.postings(field, value)?);
    }
    Ok(Docs::of(postings))
}

fn union_of_terms(index: &IndexReader, field: Field, mut terms: Vec<String>) -> Result<Docs> {
    terms.sort_unstable();
    terms.dedup();
    let mut postings = Vec::new();
    for term in &terms {
        postings.extend(index.postings_of_term(field, term)?);
    }
    Ok(Docs::of(postings))
}

#[cfg(test)]
mod tests {
    use super::shared_text;

    #[test]
    fn addresses_of_a_network_share_their_whole_octets() {
        for (network, text) in [
            ("10.0.0.0/8", "10."),
            ("10.1.0.0/15", "10."),
            ("10.1.2.0/24", "10.1.2."),
            ("10.1.2.3/32", "10.1.2.3"),
            ("0.0.0.0/0", ""),
            ("fe80::/10", ""),
        ] {
            assert_eq!(shared_text(&network.parse().expect(network)), text, "{network}");
        }
    }
}
