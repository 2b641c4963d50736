//! Random edits: inputs, conditions and limits change from run to run. After a complete run the table equals that
//! of a fresh database; in between, no row of a failed or unread record is missing.
//!
//! `ETL_SEEDS=2000` for more; a failure names its seed.

use std::collections::BTreeSet;

use etl::{event::RunEnd, run::Options};
use tokio_util::sync::CancellationToken;

use crate::common::{Dice, Ended, Folder, number, run};

/// The input of a run: rows of `id,grp,words`, and the edited parts of the pipeline.
#[derive(Clone)]
struct State {
    rows: Vec<(u64, String, String)>,
    keep: &'static str,
    when: &'static str,
    shape: u64,
}

impl State {
    fn edit(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.roll(4) {
            let id = dice.roll(12);
            let words = (0..dice.roll(5)).map(|_| dice.roll(6).to_string()).collect::<Vec<_>>().join(" ");
            let group = dice.pick(&["p", "q", "r"]).to_owned();
            match dice.roll(6) {
                0 => self.rows.retain(|(known, ..)| *known != id),
                // A word that is not a number fails its piece.
                1 => self.set(id, group, format!("{words} x")),
                _ => self.set(id, group, words),
            }
        }
        if dice.roll(4) == 0 {
            self.keep = dice.pick(&["true", "id % 2 = 0", "grp <> 'q'"]);
        }
        if dice.roll(4) == 0 {
            self.when = dice.pick(&["true", "id < 6", "id % 3 > 0"]);
        }
    }

    fn set(&mut self, id: u64, group: String, words: String) {
        self.rows.retain(|(known, ..)| *known != id);
        self.rows.push((id, group, words));
        self.rows.sort_unstable();
    }

    fn is_sound(&self) -> bool {
        self.rows.iter().all(|(.., words)| !words.contains('x'))
    }

    fn csv(&self) -> String {
        let lines = self.rows.iter().map(|(id, group, words)| format!("{id},{group},\"{words}\"\n"));
        format!("id,grp,words\n{}", lines.collect::<String>())
    }

    fn spec(&self) -> String {
        let middle = match self.shape {
            // Pieces.
            0 => "
  - map: word
    split: string_split(words, ' ')
  - map: number
    fields: { n: \"coalesce(CAST(nullif(word, '') AS BIGINT), 0)\" }
  - sink: out
    except: words"
                .to_owned(),
            // Groups of records.
            1 => "
  - map: number
    fields: { n: \"list_sum([CAST(w AS BIGINT) FOR w IN string_split(words, ' ') IF w <> ''])\" }
  - wave: groups
    sql: SELECT grp AS g, sum(n) AS n, count(*) AS of FROM groups GROUP BY g
  - sink: out"
                .to_owned(),
            // Gathered pieces, and a join with groups.
            2 => "
  - map: word
    split: string_split(words, ' ')
  - map: number
    fields: { n: \"CAST(nullif(word, '') AS BIGINT)\" }
  - gather: parts
  - wave: distinct_groups
    sql: SELECT DISTINCT grp FROM parts
  - wave: joined
    sql: SELECT p.id, d.grp AS g, [x.n FOR x IN p.parts] AS ns FROM parts p JOIN distinct_groups d USING (grp)
    key: [id, g]
  - sink: out"
                .to_owned(),
            // Two sinks into two tables, with one record each.
            _ => "
  - map: number
    fields: { n: \"list_sum([CAST(w AS BIGINT) FOR w IN string_split(words, ' ') IF w <> ''])\" }
  - wave: first_of_group
    unique: grp
  - sink: out
    except: words"
                .to_owned(),
        };
        format!(
            "
pipeline: edits
duckdb: out.duckdb
stages:
  - source: texts
    csv: {{ path: texts.csv, types: {{ id: integer, grp: text, words: text }} }}
    key: id
  - map: kept
    where: {}{middle}
    when: {}
    gone: delete
",
            self.keep,
            self.when.replace("id", if self.shape == 1 { "of" } else { "id" }),
        )
    }
}

fn run_once(folder: &Folder, state: &State, limit: Option<u64>) -> Ended {
    folder.write("texts.csv", state.csv().as_bytes());
    let options = Options { limit, ..Options::default() };
    let ended = run(&folder.pipeline(&state.spec(), &[]), &options, CancellationToken::new()).unwrap();
    assert!(!matches!(ended.end, RunEnd::Fatal(_)), "{:?}", ended.end);
    assert_eq!(ended.sum.pending(), 0, "{:?}", ended.sum);
    ended
}

fn table(folder: &Folder) -> BTreeSet<String> {
    folder.sql("FROM out").lines().map(str::to_owned).collect()
}

fn edits(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut state = State { rows: Vec::new(), keep: "true", when: "true", shape: seed % 4 };
    // An empty source never counts as gone.
    state.set(99, "z".to_owned(), "1".to_owned());
    let kept = Folder::new();
    for step in 0..5 {
        state.edit(&mut dice);
        let before = if step == 0 { BTreeSet::new() } else { table(&kept) };
        if dice.roll(4) == 0 && step > 0 {
            // Rows of records not read by a limited run stay.
            let limit = 1 + dice.roll(3);
            run_once(&kept, &state, Some(limit));
            if state.shape == 0 || state.shape == 3 {
                let read: Vec<String> =
                    state.rows.iter().take(limit as usize).map(|row| row.0.to_string()).collect();
                let is_read = |row: &&String| read.iter().any(|id| row.starts_with(&format!("{id} ")));
                let after = table(&kept);
                for row in before.iter().filter(|row| !is_read(row)) {
                    assert!(
                        after.contains(row),
                        "seed {seed}, step {step}: `{row}` is missing in {after:#?}"
                    );
                }
            }
            continue;
        }
        run_once(&kept, &state, None);
        let fresh = Folder::new();
        run_once(&fresh, &state, None);
        let (kept, fresh) = (table(&kept), table(&fresh));
        if state.is_sound() {
            assert_eq!(kept, fresh, "seed {seed}, step {step}, shape {}", state.shape);
        } else {
            let missing: Vec<&String> = fresh.difference(&kept).collect();
            assert!(missing.is_empty(), "seed {seed}, step {step}: {missing:#?}");
        }
    }
}

#[test]
fn after_random_edits_the_table_is_that_of_a_fresh_database() {
    for seed in 1..=number("ETL_SEEDS", 6) {
        edits(seed);
    }
}
