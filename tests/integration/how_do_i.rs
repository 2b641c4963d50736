//! The pipelines of docs/how-do-i.md: each is short, and produces the rows listed here.

use std::{collections::BTreeMap, fs, path::Path};

use etl::run::{Answers, Options};
use tokio_util::sync::CancellationToken;

use crate::common::{Ended, Folder, conserved, run, sql};

/// The pipelines of the page, by name.
fn pipelines() -> BTreeMap<String, String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-do-i.md")).unwrap();
    let blocks = page.split("```yaml\n# ").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            let (name, spec) = block.split_once(".yaml\n").unwrap();
            (name.to_owned(), spec.to_owned())
        })
        .collect()
}

/// A folder with files and a pipeline from the page.
struct Job {
    folder: Folder,
    spec: String,
    answers: Answers,
}

impl Job {
    fn new(name: &str, files: &[(&str, &str)], answers: &str) -> Self {
        let folder = Folder::new();
        let job =
            Self { folder, spec: pipelines()[name].clone(), answers: Answers::parse(name, answers).unwrap() };
        job.write(files);
        job
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.folder.write(name, text.as_bytes());
        }
    }

    fn run(&self) -> Ended {
        let options = Options { offline: true, answers: Some(self.answers.clone()), ..Options::default() };
        let ended = run(&self.folder.pipeline(&self.spec, &[]), &options, CancellationToken::new()).unwrap();
        conserved(&ended);
        ended
    }

    fn sql(&self, query: &str) -> String {
        sql(&self.folder.path("spec.duckdb"), query)
    }

    /// Runs it twice: the rows are equal, and the second run sends nothing.
    fn gives(&self, query: &str, rows: &str) {
        self.run();
        assert_eq!(self.sql(query), rows);
        assert_eq!(self.run().progress.usage.requests, 0, "the second run is free");
        assert_eq!(self.sql(query), rows);
    }
}

#[test]
fn every_pipeline_of_the_page_is_short() {
    let pipelines = pipelines();
    assert_eq!(pipelines.len(), 20);
    for (name, spec) in pipelines {
        let most = if matches!(name.as_str(), "medications" | "taxonomy") { 40 } else { 25 };
        assert!(spec.lines().count() <= most, "{name} has {} lines", spec.lines().count());
    }
}

#[test]
fn reviews() {
    let job = Job::new(
        "reviews",
        &[("reviews.csv", "review_id,product,stars,text\nR1,Lamp,5,Bright\nR2,,1,Broke\nR3,Cup,3,\n")],
        "label: { R1: { sentiment: good, topics: [light] }, R2: { sentiment: bad, topics: [] } }",
    );
    job.gives(
        "SELECT review_id, product, stars, sentiment, topics FROM labels ORDER BY ALL",
        "R1 | Lamp | 5 | good | [light]\nR2 | NULL | 1 | bad | []\nR3 | Cup | 3 | NULL | NULL",
    );
}

#[test]
fn poems() {
    let job = Job::new("poems", &[], "topics: { 1: { topics: [sea, wood] }, 2: { topics: [night] } }");
    job.gives(
        "SELECT n, topic_index, poem_sample, topic, poem IS NOT NULL FROM poems ORDER BY ALL",
        "1 | 1 | 1 | sea | true\n1 | 1 | 2 | sea | true\n1 | 2 | 1 | wood | true\n1 | 2 | 2 | wood | true\n\
         2 | 1 | 1 | night | true\n2 | 1 | 2 | night | true",
    );
    assert_eq!(
        job.sql("SELECT string_agg(column_name, ' ') FROM duckdb_columns() WHERE table_name = 'poems'"),
        "n topic_index poem_sample topic poem model request"
    );
}

#[test]
fn retrieval() {
    let text = format!("{}\n\n{}", "One. ".repeat(300), "Two. ".repeat(300));
    let job = Job::new(
        "retrieval",
        &[("papers/a.txt", &text), ("papers/b.txt", "Short.")],
        "context: [{ when: true, answer: About numbers. }]",
    );
    job.gives(
        "SELECT path, chunk_index, len(vector), typeof(vector), passage LIKE 'About numbers.%' FROM passages ORDER BY ALL",
        "a.txt | 1 | 1024 | FLOAT[1024] | true\na.txt | 2 | 1024 | FLOAT[1024] | true\nb.txt | 1 | 1024 | FLOAT[1024] | true",
    );
}

#[test]
fn evaluation() {
    let job = Job::new(
        "evaluation",
        &[("texts/a.txt", "A."), ("texts/b.txt", "B.")],
        "pair: { a.txt: { question: Q1, answer: A1 }, b.txt: { question: Q2, answer: A2 } }
critic:
  - { when: path = 'a.txt', answer: { rating: 5, why: x } }
  - { when: criterion = 'useful', answer: { rating: 2, why: y } }
  - { when: true, answer: { rating: 4, why: z } }",
    );
    job.gives("SELECT path, question, answer FROM evaluation", "a.txt | Q1 | A1");
}

#[test]
fn preferences() {
    let job = Job::new(
        "preferences",
        &[(
            "prompts.jsonl",
            "{\"id\": 1, \"instruction\": \"Sing\"}\n{\"id\": 2, \"instruction\": \"Dance\"}\n",
        )],
        "reply: [{ when: writer LIKE '%small%', answer: short }, { when: true, answer: long }]
rate: [{ when: reply = 'long' AND id = 1, answer: { rating: 5 } }, { when: true, answer: { rating: 3 } }]",
    );
    job.gives(
        "SELECT id, instruction, chosen, chosen_by, rejected FROM preferences",
        "1 | Sing | long | mistral-medium-latest | short",
    );
}

#[test]
fn catalogue() {
    let job = Job::new(
        "catalogue",
        &[("products.csv", "sku,title\nA1,Cup\n007,Lamp\n")],
        "translated: [{ when: language = 'German' AND sku = 'A1', answer: { title: Tasse } }, { when: true, answer: { title: x } }]",
    );
    job.gives("SELECT * FROM long WHERE sku = 'A1' ORDER BY ALL LIMIT 2", "A1 | Dutch | x\nA1 | French | x");
    assert_eq!(job.sql("SELECT count(*) FROM long"), "10");
    assert_eq!(
        job.sql("SELECT sku, title, de, fr FROM wide ORDER BY ALL"),
        "007 | Lamp | x | x\nA1 | Cup | Tasse | x"
    );
}

#[test]
fn invoices() {
    let wrong = "{ number: N2, subtotal: 3.00, lines: [{ name: ink, total: 2.50 }] }";
    let right =
        "{ number: N2, subtotal: 3.00, lines: [{ name: ink, total: 2.50 }, { name: pen, total: 0.50 }] }";
    let job = Job::new(
        "invoices",
        &[("scans/a.png", "one"), ("scans/b.png", "two")],
        &format!(
            "invoice:\n  a.png: {{ number: N1, subtotal: 12345678901234.57, lines: [{{ name: all, total: 12345678901234.57 }}] }}\n  b.png: {wrong}\nsecond: {{ b.png: {right} }}"
        ),
    );
    job.gives(
        "SELECT path, number, subtotal FROM invoices ORDER BY ALL",
        "a.png | N1 | 12345678901234.57\nb.png | N2 | 3.00",
    );
    assert_eq!(
        job.sql("SELECT * FROM lines ORDER BY ALL"),
        "a.png | 1 | all | 12345678901234.57\nb.png | 1 | ink | 2.50\nb.png | 2 | pen | 0.50"
    );
}

#[test]
fn incremental() {
    let job = Job::new(
        "incremental",
        &[("companies.csv", "id,name\n1,Ink\n2,Mill\n")],
        "about: [{ when: true, answer: { industry: paper } }]",
    );
    job.gives("SELECT id, name, industry FROM enriched ORDER BY ALL", "1 | Ink | paper\n2 | Mill | paper");
    job.write(&[("companies.csv", "id,name\n2,Mill\n3,Oven\n")]);
    let ended = job.run();
    assert_eq!((ended.sum.read, ended.progress.usage.requests), (1, 1));
    assert_eq!(job.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM enriched"), "1 2 3");
}

#[test]
fn taxonomy() {
    let chats: String = (1..=6).map(|id| format!("{{\"id\": {id}, \"text\": \"chat {id}\"}}\n")).collect();
    let job = Job::new(
        "taxonomy",
        &[("chats.jsonl", &chats)],
        "summary: [{ when: true, answer: A summary. }]
taxonomy: [{ when: true, answer: { categories: [odd, even] } }]
label:
  - { when: id = 6, answer: { category: unknown } }
  - { when: id % 2 = 0, answer: { category: even } }
  - { when: true, answer: { category: odd } }",
    );
    job.run();
    assert_eq!(
        job.sql("SELECT id, category FROM labels ORDER BY ALL"),
        "1 | odd\n2 | even\n3 | odd\n4 | even\n5 | odd"
    );
    assert_eq!(job.sql("SELECT key, kind FROM etl.failures"), "6 | expectation");
    assert_eq!(job.sql("SELECT count(*) FROM etl.answers WHERE stage = 'summary'"), "3");
}

#[test]
fn review() {
    let job = Job::new(
        "review",
        &[("letters/a.txt", "A."), ("letters/b.txt", "B."), ("letters/c.txt", "C.")],
        "read: { a.txt: { topic: war, sure: true }, b.txt: { topic: sea, sure: false }, c.txt: { topic: law, sure: false } }",
    );
    let letters = "SELECT path, topic, settled FROM letters ORDER BY ALL";
    job.gives(letters, "a.txt | war | true\nb.txt | sea | false\nc.txt | law | false");
    assert_eq!(job.folder.read("to_review.csv").lines().skip(1).count(), 2);
    job.write(&[("reviewed.csv", "path,topic\nb.txt,travel\n")]);
    job.gives(letters, "a.txt | war | true\nb.txt | travel | true\nc.txt | law | false");
    assert!(job.folder.read("to_review.csv").lines().skip(1).all(|line| line.starts_with("c.txt")));
}

#[test]
fn companies() {
    let job = Job::new(
        "companies",
        &[("companies.csv", "id,name\nc1,Ink Ltd\nc2,Ink Limited\nc3,Oven\nc4,Ink Lab\n")],
        "same: [{ when: a_name LIKE 'Ink L%' AND b_name = 'Ink Limited', answer: { same: true } }, { when: true, answer: { same: false } }]",
    );
    job.gives(
        "SELECT id, name, entity FROM entities ORDER BY ALL",
        "c1 | Ink Ltd | c1\nc2 | Ink Limited | c1\nc3 | Oven | c3\nc4 | Ink Lab | c4",
    );
}

#[test]
fn judge() {
    let job = Job::new(
        "judge",
        &[("answers.csv", "id,question,answer\n1,2+2?,4\n2,3+3?,7\n")],
        "verdict: { 1: { correct: true, why: yes it is }, 2: { correct: false, why: it is 6 } }",
    );
    job.gives(
        "SELECT id, question, answer, correct, why FROM verdicts ORDER BY ALL",
        "1 | 2+2? | 4 | true | yes it is\n2 | 3+3? | 7 | false | it is 6",
    );
}

#[test]
fn books() {
    let job = Job::new(
        "books",
        &[("books/long.txt", "The first paragraph of the book.\n\nThe second one of it.\n\nAnd a third, the last."), ("books/short.txt", "All.")],
        "notes: [{ when: chunk LIKE 'The first%', answer: beginning }, { when: chunk LIKE '%last.', answer: end }]
summary: [{ when: \"[p.notes FOR p IN parts] = ['beginning', 'end']\", answer: From beginning to end. }, { when: true, answer: Short. }]",
    );
    job.gives(
        "SELECT path, summary FROM summaries ORDER BY ALL",
        "long.txt | From beginning to end.\nshort.txt | Short.",
    );
}

#[test]
fn consistency() {
    let job = Job::new(
        "consistency",
        &[("questions.csv", "id,question\n1,Sky?\n2,Sea?\n")],
        "guess:
  - { when: id = '1', answer: { answer: blue } }
  - { when: guess_sample <= 2, answer: { answer: green } }
  - { when: guess_sample <= 4, answer: { answer: grey } }
  - { when: true, answer: { answer: grey } }
second: { 2: salty }",
    );
    job.gives("SELECT id, answer, votes FROM answers ORDER BY ALL", "1 | blue | 5\n2 | salty | 3");
}

#[test]
fn titles() {
    let job = Job::new(
        "titles",
        &[("people.csv", "id,title\n1,Engineer\n2, engineer \n3,\n4,Tutor\n")],
        "job: { engineer: { job: engineer }, tutor: { job: teacher } }",
    );
    let ended = job.run();
    assert_eq!(ended.progress.usage.requests, 2, "each distinct title is asked once");
    assert_eq!(
        job.sql("SELECT id, job FROM people ORDER BY ALL"),
        "1 | engineer\n2 | engineer\n3 | NULL\n4 | teacher"
    );
}

#[test]
fn prompts() {
    let job = Job::new(
        "prompts",
        &[("labelled.csv", "id,text,truth\n1,Win!,spam\n2,Hello,ham\n")],
        "label: [{ when: style = 'Be literal.' AND id = '2', answer: { label: spam } }, { when: id = '1', answer: { label: spam } }, { when: true, answer: { label: ham } }]",
    );
    job.gives(
        "SELECT style, texts, correct FROM scores ORDER BY ALL",
        "Be literal. | 2 | 1\nThink step by step. | 2 | 2",
    );
}

#[test]
fn moderation() {
    let job = Job::new(
        "moderation",
        &[("comments.csv", "id,text\n1,Nice\n2,Awful\n3,Fine\n")],
        "reply: [{ when: true, answer: Thank you. }]",
    );
    job.run();
    let flagged = job.sql("SELECT count(*) FROM held_back");
    assert_eq!(job.sql(&format!("SELECT count(*) = 3 - {flagged} FROM replies")), "true");
    assert_eq!(job.sql("SELECT count(*) FROM replies JOIN held_back USING (id)"), "0");
}

#[test]
fn tickets() {
    let job = Job::new(
        "tickets",
        &[],
        "ticket:
  - { when: category = 'login', answer: { subject: Cannot LOG IN, body: Help. } }
  - { when: category = 'billing' AND n = 1, answer: { subject: Invoice, body: a } }
  - { when: category = 'billing' AND n = 2, answer: { subject: INVOICE, body: b } }
  - { when: category = 'billing', answer: { subject: Refund, body: c } }
  - { when: n = 1, answer: { subject: Late, body: d } }
  - { when: n = 2, answer: { subject: Lost, body: e } }
  - { when: true, answer: { subject: Broken, body: f } }",
    );
    job.gives(
        "SELECT category, string_agg(subject, ', ' ORDER BY n) FROM tickets GROUP BY category ORDER BY ALL",
        "billing | Invoice, Refund\ndelivery | Late, Lost, Broken\nlogin | Cannot LOG IN",
    );
}

#[test]
fn news() {
    let job = Job::new(
        "news",
        &[("news/a.txt", "A."), ("news/b.txt", "B.")],
        "story:
  - { when: text = 'A.', answer: { title: First, places: [Rome, Oslo] } }
  - { when: text = 'A2.', answer: { title: First again, places: [Bonn] } }
  - { when: true, answer: { title: Other, places: [Paris] } }",
    );
    let places = "SELECT path, place FROM places ORDER BY ALL";
    job.gives(places, "a.txt | Oslo\na.txt | Rome\nb.txt | Paris");
    job.write(&[("news/a.txt", "A2."), ("news/c.txt", "C.")]);
    fs::remove_file(job.folder.path("news/b.txt")).unwrap();
    job.gives(places, "a.txt | Bonn\nc.txt | Paris");
    assert_eq!(job.sql("SELECT path, title FROM stories ORDER BY ALL"), "a.txt | First again\nc.txt | Other");
}

#[test]
fn medications() {
    let job = Job::new(
        "medications",
        &[(
            "talks.jsonl",
            "{\"id\": 1, \"text\": \"t1\"}\n{\"id\": 2, \"text\": \"t2\"}\n{\"id\": 3, \"text\": \"t3\"}\n",
        )],
        "found:
  1: { medications: [{ name: Aspirin, dose: 100mg }, { name: ASS, dose: 50mg }] }
  2: { medications: [{ name: aspirin }] }
  3: { medications: [] }
resolved: [{ when: true, answer: { generic: acetylsalicylic acid } }]
summary: [{ when: talks = 2, answer: In two talks. }]",
    );
    job.gives(
        "SELECT id, medication_index, generic, dose FROM medications ORDER BY ALL",
        "1 | 1 | acetylsalicylic acid | 100mg\n1 | 2 | acetylsalicylic acid | 50mg\n2 | 1 | acetylsalicylic acid | NULL",
    );
    assert_eq!(
        job.sql("SELECT generic, talks, doses, summary FROM drugs"),
        "acetylsalicylic acid | 2 | [100mg, 50mg, NULL] | In two talks."
    );
}
