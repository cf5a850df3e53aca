//! Golden script of plans: each question with the path that every segment takes, and why.
//!
//! `tests/golden/plans.txt` alternates questions and answers; `UPDATE_GOLDEN=1 cargo test plans`
//! writes the answers anew.

use crate::support::store::TestStore;
use annals::calls::Pairs;
use annals::calls::question::{QueryCall, answer};
use annals::generate::{Generator, Plan};
use serde_json::Value as Json;
use std::fmt::Write;
use std::path::Path;

#[test]
fn every_question_takes_the_path_it_took() {
    let store = TestStore::new();
    let mut generator =
        Generator::new(&Plan { events: 20_000, tenants: 3, days: 2, ..Plan::default() });
    let mut records = Vec::new();
    let mut record = String::new();
    while generator.next_record(&mut record) {
        let mut json: Json = serde_json::from_str(&record).expect("generated records are JSON");
        json["project_id"] = "t".into();
        records.push(json);
        record.clear();
    }
    store.ingest_from(&records, "project_id");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plans.txt");
    let golden = std::fs::read_to_string(&path).expect("the golden script is there");
    let mut found = String::new();
    for block in golden.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let question = block.lines().next().expect("a block begins with its question");
        let pairs = Pairs::from_query(&format!("tenant=t&explain=true&{question}"));
        let explain =
            answer(store.engine(), QueryCall::Count, &pairs).expect(question)["explain"].take();
        writeln!(found, "{question}").expect("memory");
        writeln!(found, "  untouched {} of {}", explain["untouched"], explain["segments"])
            .expect("memory");
        for step in explain["steps"].as_array().expect("steps") {
            let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
            writeln!(found, "  {}: {}", text("path"), text("why")).expect("memory");
        }
        found.push('\n');
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("the golden script can be written");
    }
    assert_eq!(
        found,
        std::fs::read_to_string(&path).expect("the golden script"),
        "run with UPDATE_GOLDEN=1 if the change is meant"
    );
}
