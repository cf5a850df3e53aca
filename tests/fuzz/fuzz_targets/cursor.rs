//! Cursors of any text: none is accepted that was not signed with the key, for the question, as it
//! is.

#![no_main]

use annals::access::Scope;
use annals::event::{EventKey, Field, Timestamp};
use annals::query::{Binding, Filter, PageCursor, SortOrder};
use libfuzzer_sys::fuzz_target;

const KEY: [u8; 32] = [7; 32];
const OTHER_KEY: [u8; 32] = [8; 32];

fuzz_target!(|bytes: &[u8]| {
    let moment = |from| Timestamp::from_millis(number(bytes, from));
    let counting_back = Filter { from: Some(moment(16)), last: Some(1_000), ..Filter::default() };
    for filter in [Filter::default(), counting_back] {
        check_any(&String::from_utf8_lossy(bytes), &filter);
        let key = EventKey { time: moment(0), seq: number(bytes, 8) as u64 };
        let [flags, place, letter] =
            [24, 25, 26].map(|at| bytes.get(at).copied().unwrap_or_default());
        check_signed(
            PageCursor { key, backward: flags & 1 != 0 },
            &filter,
            usize::from(place),
            char::from(letter),
        );
    }
});

/// Eight bytes of the input as a number, zeros where it has ended.
fn number(bytes: &[u8], from: usize) -> i64 {
    let mut number = [0; 8];
    number.iter_mut().zip(bytes.iter().skip(from)).for_each(|(to, byte)| *to = *byte);
    i64::from_le_bytes(number)
}

fn binding(key: [u8; 32], tenant: &str, filter: &Filter, order: SortOrder) -> Binding {
    Binding::new(key, &Scope::of_operator(&[tenant]).expect("a tenant"), filter, order)
}

fn own(filter: &Filter) -> Binding {
    binding(KEY, "a", filter, SortOrder::Descending)
}

/// A text that is accepted is the one that signing what it says gives; one that is refused changes
/// nothing.
fn check_any(text: &str, given: &Filter) {
    let (mut binding, mut filter) = (own(given), given.clone());
    match binding.decode(text, &mut filter) {
        Ok(cursor) => assert_eq!(binding.encode(cursor), text, "accepted, and not signed"),
        Err(error) => {
            assert_eq!(error.parameter_name(), Some("cursor"));
            assert_eq!(filter, *given);
        }
    }
}

/// A signed cursor is accepted as it is and for its question, and in no other way.
fn check_signed(cursor: PageCursor, given: &Filter, place: usize, letter: char) {
    let accepts = |mut binding: Binding, text: &str| binding.decode(text, &mut given.clone());
    let signed = own(given).encode(cursor);
    let mut filter = given.clone();
    assert_eq!(own(given).decode(&signed, &mut filter).expect("our own cursor"), cursor);
    assert_eq!(filter, *given, "the period is that of the first page");

    let place = place % signed.len();
    let (before, after) = (&signed[..place], &signed[place + 1..]);
    let changed = [
        format!("{before}{letter}{after}"),
        format!("{before}{letter}{}", &signed[place..]),
        before.to_owned(),
    ];
    for text in changed.iter().filter(|text| **text != signed) {
        assert!(accepts(own(given), text).is_err(), "{text} was made of {signed}");
    }
    let narrower = given.clone().and_equal(Field::Source, "ECS");
    for other in [
        binding(OTHER_KEY, "a", given, SortOrder::Descending),
        binding(KEY, "b", given, SortOrder::Descending),
        binding(KEY, "a", given, SortOrder::Ascending),
        binding(KEY, "a", &narrower, SortOrder::Descending),
    ] {
        assert!(accepts(other, &signed).is_err(), "{signed} was accepted for another question");
    }
}
