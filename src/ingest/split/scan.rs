//! Scans JSON as it arrives, far enough to tell where a document ends and where it was cut.

/// The state of a scan: which brackets are open, and what may come next.
///
/// Only what tells documents apart is checked; the decoder reads the rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    open: Vec<u8>,
    next: Next,
    in_text: bool,
    escaped: bool,
}

/// What may come next in valid JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Value,
    Key,
    Colon,
    /// A comma or a closing bracket.
    Separator,
}

/// Why a scan of some bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanEnd {
    /// The document goes on behind these bytes.
    Open,
    /// The document ends after this many of the bytes.
    Closed(usize),
    /// A bracket is closed that is not open.
    Broken,
}

impl Scan {
    /// Reads more of a document.
    pub(super) fn read(&mut self, bytes: &[u8]) -> ScanEnd {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            if self.in_text {
                if self.escaped {
                    self.escaped = false;
                    continue;
                }
                // Most of a record is strings, in which only the end and escapes matter.
                let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at - 1..]) else {
                    return ScanEnd::Open;
                };
                at += found;
                if bytes[at - 1] == b'"' {
                    self.in_text = false
                } else {
                    self.escaped = true
                }
                continue;
            }
            match byte {
                b'"' => {
                    self.in_text = true;
                    self.next = if self.next == Next::Key { Next::Colon } else { Next::Separator };
                }
                b'{' | b'[' => {
                    self.open.push(*byte);
                    self.next = if *byte == b'{' { Next::Key } else { Next::Value };
                }
                b'}' | b']' => {
                    // In ASCII, a closing bracket comes two after its opening one.
                    if self.open.pop() != Some(byte - 2) {
                        return ScanEnd::Broken;
                    }
                    self.next = Next::Separator;
                    if self.open.is_empty() {
                        return ScanEnd::Closed(at);
                    }
                }
                b':' => self.next = Next::Value,
                b',' => {
                    let in_object = self.open.last() == Some(&b'{');
                    self.next = if in_object { Next::Key } else { Next::Value };
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.next = Next::Separator,
            }
        }
        ScanEnd::Open
    }

    /// Returns whether no line of the document can begin with this byte, so that the document must
    /// have been cut before it.
    pub(super) fn is_cut_before(&self, first: u8) -> bool {
        if self.in_text {
            // No string goes on after a line break, but some programs write them so.
            return matches!(first, b'{' | b'[');
        }
        let may_follow = match self.next {
            Next::Value => {
                matches!(first, b'{' | b'[' | b']' | b'"' | b'-') || first.is_ascii_alphanumeric()
            }
            Next::Key => matches!(first, b'"' | b'}'),
            Next::Colon => first == b':',
            Next::Separator => matches!(first, b',' | b'}' | b']'),
        };
        !may_follow
    }

    /// Returns how many brackets are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Returns whether the scan is inside a string.
    pub(super) fn in_text(&self) -> bool {
        self.in_text
    }
}

/// Returns whether a text is one complete object or array, apart from a comma and white space
/// around it.
pub(super) fn is_whole(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let rest = match Scan::default().read(text) {
        ScanEnd::Closed(end) if text.starts_with(b"{") || text.starts_with(b"[") => &text[end..],
        _ => return false,
    };
    matches!(rest.trim_ascii(), b"" | b",")
}

/// Returns whether a value is nested deeper than any record in an envelope may be; parsing deeper
/// values could exhaust the stack.
pub(super) fn is_too_deep(value: &[u8]) -> bool {
    let mut scan = Scan::default();
    value.chunks(256).any(|bytes| {
        scan.read(bytes);
        scan.depth() > crate::decode::DEPTH_MAX + 8
    })
}
