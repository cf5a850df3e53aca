//! What holds for all formats: other text is left alone, and nothing makes the reading fail.

use super::{LineContent, audit_stamp, read};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// 2026-11-29T02:00:00Z
const NOW_MS: i64 = 1_795_917_600_000;
const MUTATIONS: usize = 200_000;

/// Parts of lines, whole and broken.
const FRAGMENTS: [&str; 64] = [
    "<34>",
    "<999>",
    "1 ",
    "- ",
    "Oct 11 22:14:15 ",
    "*Mar  1 18:46:11.123 CET: ",
    "29: ",
    "2026-11-28T10:00:00.123456+08:00 ",
    "2016-10-06T00:17:09.669794202Z ",
    "2018-06-28 03:22:31 ",
    "stdout ",
    "F ",
    "P ",
    "host ",
    "sshd[12]: ",
    "sudo: ",
    "su: ",
    "kernel: ",
    "[ 1.5] ",
    "audit: ",
    "type=1400 ",
    "audit(1364481363.243:24287): ",
    "node=n ",
    "type=EXECVE msg=",
    "a0=\"x\" ",
    "a1[0]=C3A9 ",
    "proctitle=6C00 ",
    "msg='op=x acct=\"",
    "\u{1d}UID=\"r\" ",
    "saddr=02000050C0A80001 ",
    "saddr=0A00 ",
    "res=failed'",
    "CEF:0|",
    "LEEF:2.0|",
    "LEEF:1.0|",
    "v|p|1|2|n|5|",
    "x5E|",
    "^",
    "|",
    "\\",
    "\\|",
    "\\=",
    "=",
    "\t",
    "#011",
    "rt=1364481363243 ",
    "devTime=06/06/16\tdevTimeFormat=MM/dd/yy'T",
    "cs1Label=a cs1=b ",
    "[x@1 a=\"",
    "\"] ",
    "\n",
    "\r",
    "@cee:",
    "{\"a\":1}",
    "\u{feff}",
    "é",
    "漢字",
    "\u{0}",
    "\u{10ffff}",
    " from 10.0.0.1",
    "Failed password for ",
    " ; COMMAND=",
    "%SYS-5-CONFIG_I: ",
    "pam_unix(a:b): session opened for user ",
];

/// A generator of numbers that look random (xorshift, 64 bits).
struct Shuffler(u64);

impl Shuffler {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
    }

    /// Returns fragments in any order, of which some have lost a character or have another one.
    fn line(&mut self) -> String {
        let mut line = String::new();
        for _ in 0..=self.below(12) {
            line.push_str(FRAGMENTS[self.below(FRAGMENTS.len())]);
            if self.below(6) == 0 {
                line.pop();
            }
            if self.below(12) == 0 {
                let codes = [0x20, 0x22, 0x27, 0x2d, 0x3a, 0x3d, 0x5b, 0x5d, 0xe9, 0x6f22, 0x1f600];
                let code = codes[self.below(codes.len())];
                line.extend(char::from_u32(code));
            }
        }
        line
    }
}

#[test]
fn nothing_makes_the_reading_fail() {
    let mut shuffler = Shuffler(0x9e37_79b9_7f4a_7c15);
    let mut read_count = 0;
    for _ in 0..MUTATIONS {
        let line = shuffler.line();
        audit_stamp(&line);
        match read(&line, NOW_MS) {
            Some(LineContent::Object(object)) => {
                read_count += 1;
                assert_eq!(object["event"]["original"], line.as_str());
            }
            Some(LineContent::Carrier(Cow::Borrowed(json), _)) => {
                assert!(line.contains(json), "{line}");
            }
            Some(LineContent::Carrier(Cow::Owned(_), _)) => assert!(line.contains('\n'), "{line}"),
            None => {}
        }
    }
    assert!(read_count > MUTATIONS / 50, "only {read_count} lines were read");
}

#[test]
fn bytes_of_any_kind_stop_nothing() {
    let mut shuffler = Shuffler(0x2545_f491_4f6c_dd1d);
    for _ in 0..MUTATIONS / 10 {
        let begin = FRAGMENTS[shuffler.below(FRAGMENTS.len())].as_bytes();
        let noise = (0..shuffler.below(64)).map(|_| shuffler.below(256));
        let bytes: Vec<u8> = begin
            .iter()
            .copied()
            .chain(noise.map(|byte| u8::try_from(byte).expect("below 256")))
            .collect();
        read(&String::from_utf8_lossy(&bytes), NOW_MS);
        read(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>(), NOW_MS);
    }
}

#[test]
fn other_text_is_left_alone() {
    for line in [
        "",
        "\n",
        " ",
        "The quick brown fox jumps over the lazy dog.",
        "May I ask: who goes there?",
        "March 3: we met.",
        "Exception in thread \"main\" java.lang.NullPointerException: a",
        "\tat org.example.Main.main(Main.java:12)",
        "Traceback (most recent call last):",
        "  File \"x.py\", line 1, in <module>",
        "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326",
        "2026-11-28 10:00:00,123 INFO  [main] org.example.Main - started",
        "2026-11-28T10:00:00.123Z  INFO 7 --- [main] o.e.Main : started",
        "2026-11-28T10:00:00.123Z error: something",
        "time=2026-11-28T10:00:00Z level=info msg=\"started\"",
        "I0928 10:00:00.000000       1 main.go:12] started",
        "{\"a\": 1}",
        "a,b,c",
        "<?xml version=\"1.0\"?>",
        "<1>",
        "goroutine 1 [running]:",
        "we write CEF:0|a|b",
    ] {
        assert!(read(line, NOW_MS).is_none(), "{line}");
    }
}

#[test]
fn long_lines_take_time_in_proportion() {
    let begin = Instant::now();
    for (head, part) in [
        ("<13>Oct 11 22:14:15 h a: ", "x"),
        ("<13>Oct 11 22:14:15 h ", "tag[1"),
        ("<13>1 - - - - - [x@1 a=\"", "\\\" "),
        ("<13>1 - - - - - ", "[x@1 a=\"1\"]["),
        ("CEF:0|v|p|1|2|n|5|", "a=b "),
        ("CEF:0|v|p|1|2|n|5|", "a.b-c"),
        ("CEF:0|v|p|1|2|n|5|", "\\="),
        ("CEF:0|", "\\|"),
        ("LEEF:2.0|v|p|1|2|^|", "a=^"),
        ("LEEF:1.0|v|p|1|2|devTimeFormat=", "yyyy'"),
        ("type=SYSCALL msg=audit(1.5:1): ", "a=b "),
        ("type=SYSCALL msg=audit(1.5:1): ", "msg='"),
        ("type=SYSCALL msg=audit(1.5:1): ", "a=\""),
        ("type=SYSCALL msg=audit(1.5:1): ", "é(["),
        ("type=SYSCALL ", "\ntype=EOE msg=audit(1.5:1):"),
        ("<13>Oct 11 22:14:15 h sshd: Failed password for ", " from "),
        ("<13>Oct 11 22:14:15 h sudo: a : ", " ; "),
        ("2016-10-06T00:17:09Z stdout F ", "{\"a\":"),
        ("2016-10-06T00:17:09Z stdout P a", "\n2016-10-06T00:17:09Z stdout P b"),
        ("", "<13>"),
        ("", "9"),
    ] {
        let line = format!("{head}{}", part.repeat(2_000_000 / part.len()));
        read(&line, NOW_MS);
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn extreme_presents() {
    for now_ms in [i64::MIN, -1, 0, 1, i64::MAX] {
        for line in
            ["Oct 11 22:14:15 h a: b", "Feb 29 22:14:15 h a: b", "<1>Dec 31 23:59:60 h a: b"]
        {
            read(line, now_ms);
        }
    }
}
