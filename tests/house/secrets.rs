//! Secrets are neither printed nor compared letter by letter: how long a comparison takes would
//! tell how much of a guess is right.

use super::tidy::sources;

/// Names of fields and values that are secrets, or are made of them.
const SECRETS: &[&str] = &[
    "token",
    "secret",
    "client_secret",
    "verifier",
    "password",
    "cookie",
    "seal_key",
    "mac",
    "signature",
];
/// Types of fields that hold what they are named after, and not an id of it.
const HOLDING: &[&str] = &["String", "Option<String>", "Zeroizing", "Vec<u8>", "[u8;", "Arc<str>"];
/// Structs with a field of such a name that is no secret of this server, with the reason.
const PLAIN: &[(&str, &str)] = &[
    ("SignatureHeader", "what a client sent, and proves nothing unless it fits"),
    ("AccessNow", "the id of a token"),
];
/// Where credentials are read and compared.
const PLACES: &[&str] = &["access", "api/auth", "api/iam", "query/answers/cursor", "engine/access"];

/// Types that hold a secret and cannot be compared at all.
const INCOMPARABLE: &[&str] =
    &["ApiToken", "SigningSecret", "NewAccessKey", "Presented", "AttemptKey", "Attempt"];
/// Where a secret or what is made of it is compared, and by what: in a time that does not tell
/// where they differ, or by looking a hash up.
const COMPARED_BY: &[(&str, &str)] = &[
    ("access/access_key.rs", "self.mac(text).verify_slice("),
    ("access/access_key.rs", "sent.verify_slice("),
    ("access/directory.rs", "self.tokens.get(&hash)"),
    ("api/auth/oidc/attempt.rs", ".verify_slice(&state)"),
    ("api/auth/sessions.rs", "sessions.get_mut(&key)"),
    ("api/auth/subject_tokens.rs", "tokens.get(&hash_of(text))"),
    ("query/answers/cursor.rs", ".verify_truncated_left("),
];

/// The types that can be compared, by what is derived or written for them.
fn comparable(text: &str) -> Vec<String> {
    let name = |rest: &str| {
        let rest = rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    let code = code(text);
    let derived = code.split("#[derive(").skip(1).filter_map(|part| {
        let (derived, rest) = part.split_once(")]")?;
        let is_comparable = |one: &str| ["PartialEq", "PartialOrd", "Hash"].contains(&one.trim());
        let rest = rest.split_once("struct ")?.1;
        derived.split(',').any(is_comparable).then(|| name(rest))
    });
    let written = ["PartialEq for ", "PartialOrd for ", "Hash for "];
    let written = written.iter().flat_map(|of| code.split(of).skip(1).map(name));
    derived.chain(written).collect()
}

#[test]
fn secrets_have_no_comparison_but_by_a_keyed_hash() {
    let sources = sources();
    let all: String = sources.iter().map(|(_, text)| code(text)).collect();
    for name in INCOMPARABLE {
        assert!(
            all.contains(&format!("struct {name} ")) || all.contains(&format!("struct {name}("))
        );
    }
    for (file, text) in &sources {
        let comparable = comparable(text);
        let wrong = comparable.iter().find(|name| INCOMPARABLE.contains(&name.as_str()));
        assert_eq!(wrong, None, "{file}");
    }
    for (file, by) in COMPARED_BY {
        let text = sources.iter().find(|(name, _)| name == file).map(|(_, text)| code(text));
        assert!(text.is_some_and(|text| text.contains(by)), "{file} does not compare by {by}");
    }
    // The one comparison of seal keys says whether they are one, and reads no byte of them.
    assert!(all.contains("Arc::ptr_eq(&self.0, &other.0)"));
}

#[test]
fn a_type_that_can_be_compared_is_found() {
    let text = "#[derive(Clone, PartialEq)]\npub struct One(u8);\n#[derive(Debug)]\nstruct Two;\n\
        impl PartialEq for Three {\n#[derive(Hash)]\npub(super) struct Four {\n";
    assert_eq!(comparable(text), ["One", "Four", "Three"]);
}

/// The code of a file before its tests.
fn code(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests").map_or(text, |at| &text[..at])
}

/// The structs of a file that could be printed or compared with a secret in them.
fn told(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in code(text).split("#[derive(").skip(1) {
        let Some((derived, rest)) = part.split_once(")]") else { continue };
        if !derived.split(',').any(|one| matches!(one.trim(), "Debug" | "PartialEq")) {
            continue;
        }
        let Some((head, body)) = rest.split_once('{') else { continue };
        let Some(name) = head.split("struct ").nth(1).filter(|_| !head.contains(';')) else {
            continue;
        };
        let body = body.split("\n}").next().unwrap_or_default();
        let is_secret = |line: &str| {
            let Some((field, kind)) = line.trim().split_once(": ") else { return false };
            let field = field.rsplit(' ').next().unwrap_or_default();
            SECRETS.contains(&field) && HOLDING.iter().any(|holding| kind.starts_with(holding))
        };
        if body.lines().any(is_secret) {
            found.push(name.trim().to_owned());
        }
    }
    found
}

/// The lines that compare a secret with `==` or `!=`.
fn compared(text: &str) -> Vec<String> {
    // What an operand is in the end: `secret` of `&self.key.secret`, `len` of `token.len()`.
    let is_secret = |operand: &str| {
        let operand = operand.trim_end_matches("()");
        let name = operand.rsplit(['.', '&', '*', '!', ':']).next().unwrap_or_default();
        SECRETS.contains(&name)
    };
    let is_compared = |line: &&str| {
        let line = line.split("//").next().unwrap_or_default();
        [" == ", " != "].iter().any(|sign| {
            line.split_once(sign).is_some_and(|(left, right)| {
                let left = left.rsplit(' ').next().unwrap_or_default();
                let right = right.split([' ', '{', ';']).next().unwrap_or_default();
                is_secret(left) || is_secret(right)
            })
        })
    };
    code(text).lines().filter(is_compared).map(str::to_owned).collect()
}

#[test]
fn secrets_are_neither_printed_nor_compared_letter_by_letter() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let structs = told(&text);
        let structs = structs.iter().filter(|one| PLAIN.iter().all(|(plain, _)| plain != one));
        wrong.extend(structs.map(|one| format!("{name}: {one} can be printed or compared")));
        if PLACES.iter().any(|place| name.starts_with(place)) {
            wrong.extend(compared(&text).into_iter().map(|line| format!("{name}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_secret_that_could_be_printed_or_compared_is_found() {
    let text = "/// A.\n#[derive(Clone, Debug)]\npub(super) struct Shown {\n    /// B.\n    pub(super) token: String,\n}\n\
        #[derive(Clone)]\nstruct Hidden {\n    token: String,\n}\n\
        #[derive(Debug)]\nstruct Other {\n    token: TokenId,\n}\n";
    assert_eq!(told(text), ["Shown"]);
    let text = "if self.token == sent {\nif sent.len() == token.len() {\nif a != &other.secret {\nif kind == 5 {";
    assert_eq!(compared(text), ["if self.token == sent {", "if a != &other.secret {"]);
}
