//! The files for those who run a server: what they name is there.

use crate::support::process::{Server, annals};
use annals::api::DRAIN;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in an expression of Prometheus.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0;
    let mut rest = expression;
    // After `by`, what is in parentheses are labels.
    let mut is_labels = false;
    while let Some(letter) = rest.chars().next() {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_:.".contains(letter);
        let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        if end == 0 {
            match letter {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                ')' => is_labels = false,
                _ => {}
            }
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        let after = after.trim_start();
        let is_function = after.starts_with('(') || after.starts_with("by ");
        let is_name = word.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if word == "by" {
            is_labels = true;
        } else if depth == 0 && is_name && !is_function && !is_labels {
            names.insert(word.to_owned());
        }
    }
    names
}

#[test]
fn names_of_metrics_are_found_in_expressions() {
    let expression =
        r#"sum by (instance, door) (rate(a_total{x="b"}[15m])) > 0.05 * c - d_2 > 3e5"#;
    let names: Vec<String> = metrics_of(expression).into_iter().collect();
    assert_eq!(names, ["a_total", "c", "d_2"]);
}

#[test]
fn alerts_ask_only_for_metrics_that_a_server_prints() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let address = server.url.strip_prefix("http://").expect("a plain URL");
    let ask = |head: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(address).expect("connections are taken");
        let head = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    ask(
        "POST /api/v1/events?tenant=t",
        r#"{"trace_id":"a","trace_name":"n","time":1772323200000}"#,
    );
    let printed = ask("GET /metrics", "");
    server.stop();
    let is_sample = |line: &&str| !line.starts_with('#') && line.contains(' ');
    let known: BTreeSet<&str> = printed
        .lines()
        .filter(is_sample)
        .filter_map(|line| line.split(['{', ' ']).next())
        // Prometheus itself says whether it could ask.
        .chain(["up"])
        .collect();
    let alerts: Json = serde_saphyr::from_str(&file("alerts.yml")).expect("YAML");
    let rules: Vec<&Json> = alerts["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .collect();
    assert!(rules.len() > 5);
    let mut names = BTreeSet::new();
    for rule in rules {
        for key in ["alert", "expr"] {
            assert!(rule[key].is_string(), "{rule} has no {key}");
        }
        for key in ["summary", "description"] {
            assert!(rule["annotations"][key].is_string(), "{rule} has no {key}");
        }
        assert!(rule["labels"]["severity"].is_string(), "{rule} has no severity");
        assert!(names.insert(rule["alert"].to_string()), "{rule} is there twice");
        let asked = metrics_of(rule["expr"].as_str().expect("an expression"));
        assert!(!asked.is_empty(), "{rule} asks for nothing");
        for metric in asked {
            assert!(known.contains(metric.as_str()), "no server prints {metric}: {rule}");
        }
    }
    assert!(printed.contains("outcome=\"quarantined\"") && printed.contains("door="));
}

#[test]
fn a_service_is_given_the_time_that_a_stop_takes() {
    let unit = file("annals.service");
    let seconds = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let seconds: u64 = seconds.expect("a limit").parse().expect("seconds");
    // The last segments have 20 seconds, and work in the background 5.
    assert!(seconds > DRAIN.as_secs() + 20 + 5, "{seconds}");
    assert!(
        unit.contains("ExecStart=/usr/local/bin/annals serve --config /etc/annals/annals.toml")
    );
}

#[test]
fn the_configuration_of_the_page_is_sound() {
    let page = file("README.md");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("a configuration");
    let folder = tempfile::tempdir().expect("a temporary directory");
    // As it stands, and with everything that is commented out.
    for text in [block.to_owned(), block.replace("# ", "")] {
        let config = folder.path().join("annals.toml");
        std::fs::write(&config, text).expect("a file");
        annals(&["config", "check", config.to_str().expect("text")]).ok();
    }
}
