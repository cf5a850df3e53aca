//! Values with wildcards.

/// A value with Sigma's wildcards: `*`, `?`, and `\` before one of them or before another `\`.
pub(super) struct WildcardPattern(Vec<Letter>);

enum Letter {
    Plain(char),
    Wild(char),
}

impl WildcardPattern {
    pub(super) fn read(value: &str) -> Self {
        let mut letters = Vec::new();
        let mut rest = value.chars().peekable();
        while let Some(letter) = rest.next() {
            letters.push(match letter {
                '*' | '?' => Letter::Wild(letter),
                '\\' => Letter::Plain(
                    rest.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'),
                ),
                _ => Letter::Plain(letter),
            });
        }
        Self(letters)
    }

    /// Returns the text, if it has no wildcard.
    pub(super) fn plain(&self) -> Option<String> {
        self.0
            .iter()
            .map(|letter| if let Letter::Plain(letter) = letter { Some(*letter) } else { None })
            .collect()
    }

    /// Returns a regular expression that ignores case and nothing else, and allows any text before
    /// or after the value.
    pub(super) fn regex(&self, before: bool, after: bool) -> String {
        let mut expression = String::from(if before { "(?is)" } else { "(?is)^" });
        for letter in &self.0 {
            match letter {
                Letter::Wild('*') => expression.push_str(".*"),
                Letter::Wild(_) => expression.push('.'),
                Letter::Plain(letter) => {
                    expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
                }
            }
        }
        if !after {
            expression.push('$');
        }
        expression
    }

    /// Returns a pattern of the filter language that allows any text before or after the value.
    pub(super) fn like(&self, before: bool, after: bool) -> String {
        let mut pattern = String::new();
        let many = |pattern: &mut String, wanted: bool, there: bool| {
            if wanted && !there {
                pattern.push('*');
            }
        };
        many(&mut pattern, before, matches!(self.0.first(), Some(Letter::Wild('*'))));
        for letter in &self.0 {
            match letter {
                Letter::Wild(letter) => pattern.push(*letter),
                Letter::Plain(letter) => {
                    if matches!(letter, '*' | '?' | '\\') {
                        pattern.push('\\');
                    }
                    pattern.push(*letter);
                }
            }
        }
        many(&mut pattern, after, matches!(self.0.last(), Some(Letter::Wild('*'))));
        pattern
    }
}
