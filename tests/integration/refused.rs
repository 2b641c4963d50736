//! Specs that would lose or hide values yield mistakes or warnings at check, each with its place.

use std::process::Command;

use etl::diagnostic::Mistakes;

use crate::common::{ETL, Folder};

/// A source `in.csv` with the columns `id`, `text`, `reason` and `model`, and these stages below it.
fn spec(stages: &str) -> String {
    format!(
        "pipeline: p\nduckdb: out.duckdb\nstages:\n  - source: texts\n    csv: in.csv\n    key: id\n{stages}"
    )
}

fn folder(header: &str) -> Folder {
    let folder = Folder::new();
    folder.write("in.csv", format!("{header}\n1,x,y,z\n").as_bytes());
    folder
}

const HEADER: &str = "id,text,reason,model";

#[test]
fn a_column_called_etl_is_refused_in_a_source_and_in_a_query() {
    let mistakes = folder("id,text,reason,ETL").mistakes(&spec("  - sink: rows\n"));
    assert!(mistakes.contains("a column is called `etl`"), "{mistakes}");
    assert!(mistakes.contains("RENAME (etl AS etl_column)"), "{mistakes}");
    let wave = spec("  - wave: all\n    sql: SELECT id, 1 AS etl FROM texts\n  - sink: rows\n    key: id\n");
    let mistakes = folder(HEADER).mistakes(&wave);
    assert!(mistakes.contains("a column is called `etl`"), "{mistakes}");
}

#[test]
fn a_sink_does_not_replace_a_file_that_the_pipeline_reads() {
    let folder = folder(HEADER);
    let sink = "  - sink: rows\n    csv: ./in.csv\n";
    let mistakes = folder.mistakes(&spec(sink));
    assert!(mistakes.contains("in.csv` is a file that the source `texts` reads"), "{mistakes}");
    // Also a file that a pattern would match on the next run.
    let new = spec(&sink.replace("in.csv", "new.csv"));
    for source in ["csv: \"*.csv\"\n    key: id", "files: \"**/*.csv\""] {
        let mistakes = folder.mistakes(&new.replace("csv: in.csv\n    key: id", source));
        assert!(
            mistakes.contains("new.csv` is a file that the source `texts` reads"),
            "{source}: {mistakes}"
        );
    }
    folder.run(&spec(&sink.replace("in.csv", "out.csv")));
    assert_eq!(folder.read("in.csv"), folder.read("out.csv"));
}

#[test]
fn a_listed_column_with_the_name_of_the_key_holds_the_key_or_the_sink_says_it() {
    let folder = folder(HEADER);
    let sink = |columns: &str, more: &str| spec(&format!("  - sink: rows\n    columns: {columns}\n{more}"));
    let mistakes = folder.mistakes(&sink("{ t: text, ID: upper(text) }", ""));
    assert!(
        mistakes.contains("the column `ID` is the key of the rows, but holds another value"),
        "{mistakes}"
    );
    folder.run(&sink("{ t: text, id: id }", ""));
    folder.run(&sink("{ t: text, ID: upper(text) }", "    key: ID\n    table: other\n"));
    assert_eq!(folder.sql("SELECT id, t FROM rows"), "1 | x");
    assert_eq!(folder.sql("SELECT ID, t FROM other"), "X | x");
}

#[test]
fn a_column_of_the_program_that_gives_way_to_a_field_is_shown() {
    let folder = folder(HEADER);
    let ask = "  - map: ask\n    chat: { model: mistral-small-latest, prompt: \"{{ text }}\" }\n";
    let shown = |stages: &str| {
        let warnings = folder.pipeline(&spec(stages), &[]).plan().warnings.clone();
        Mistakes(warnings).render(false)
    };
    let answered = shown(&format!("{ask}  - sink: rows\n"));
    assert!(
        answered.contains("the column `model` holds the field of that name, not the model that answered")
    );
    assert!(answered.contains("`etl_model: etl.ask.model`"), "{answered}");
    let failed =
        shown(&format!("{ask}  - sink: rows\n    except: model\n  - sink: bad\n    from: ask.failed\n"));
    assert!(failed.contains("`etl_reason: etl.failure.reason`"), "{failed}");
    let listed =
        shown(&format!("{ask}  - sink: rows\n    columns: {{ model: model, etl_model: etl.ask.model }}\n"));
    assert_eq!(listed, "", "what is listed is known");
}

#[test]
fn a_limit_on_rows_that_are_replaced_is_shown_by_the_run() {
    let folder = folder(HEADER);
    folder.write(
        "spec.yaml",
        spec("  - sink: rows\n    mode: replace\n  - sink: kept\n    from: texts\n").as_bytes(),
    );
    let run = |more: &[&str]| {
        let output = Command::new(ETL)
            .args(["run", "--progress", "none"])
            .args(more)
            .arg(folder.path("spec.yaml"))
            .output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let limited = run(&["--limit", "1"]);
    assert!(limited.contains("warning: with `--limit 1`, table rows will hold only the rows"), "{limited}");
    assert_eq!(limited.matches("warning").count(), 1, "an upsert removes nothing: {limited}");
    assert!(!run(&[]).contains("warning"));
}

#[test]
fn a_schema_that_no_answer_fits_is_refused_at_its_word() {
    let folder = folder(HEADER);
    let refused = |schema: &str| {
        folder.mistakes(&spec(&format!(
            "  - map: ask\n    chat: {{ model: mistral-small-latest, prompt: \"{{{{ text }}}}\", schema: {schema} }}\n  - sink: rows\n    except: model\n"
        )))
    };
    let keyword = refused("{ type: object, propertys: { a: { type: string } } }");
    assert!(keyword.contains("unknown keyword `propertys` in a JSON Schema"), "{keyword}");
    assert!(keyword.contains("did you mean `properties`?"), "{keyword}");
    let missing =
        refused("{ type: object, properties: { a: {} }, required: [b], additionalProperties: false }");
    assert!(missing.contains("`b` is required, and is not among its properties"), "{missing}");
    let typeless = refused("{ properties: { a: { type: string } } }");
    assert!(typeless.contains("a JSON Schema without `type: object`"), "{typeless}");
    folder.write("schema.json", br#"{ "type": "object", "propertys": {} }"#);
    let file = refused("schema.json");
    assert!(file.contains("schema.json:1:21") && file.contains("unknown keyword `propertys`"), "{file}");
}

#[test]
fn a_key_at_a_wrong_depth_and_a_number_in_quotes_say_what_to_write() {
    let folder = folder(HEADER);
    let depth = folder.mistakes(&spec(
        "  - map: ask\n    chat: { prompt: hello }\n    model: mistral-small-latest\n  - sink: rows\n",
    ));
    assert!(
        depth.contains("`model` is a key of `chat:`") && depth.contains("indent it below `chat:`"),
        "{depth}"
    );
    let quoted = folder.mistakes(&spec(
        "  - map: ask\n    chat: { model: mistral-small-latest, prompt: hello, temperature: \"0.2\" }\n  - sink: rows\n",
    ));
    assert!(
        quoted.contains("found the text `0.2`") && quoted.contains("expected a number from 0 to 1.5"),
        "{quoted}"
    );
    let several = folder.mistakes(&spec("  - map: a\n    fields: { x: text }\n  - map: b\n    from: texts\n    fields: { x: text }\n  - sink: rows\n    from: a, b\n"));
    assert!(several.contains("several stages are a list: `[a, b]`"), "{several}");
}

#[test]
fn mocked_answers_that_no_record_has_are_named() {
    let folder = folder(HEADER);
    let spec = spec(
        "  - map: ask\n    chat: { model: mistral-small-latest, prompt: \"{{ text }}\" }\n    mock: { \"1\": fine, one: lost }\n  - sink: rows\n    except: model\n",
    );
    folder.write("spec.yaml", spec.as_bytes());
    folder.write("answers.yaml", b"ask: { \"1\": good, \"01\": lost }\n");
    let run = |more: &[&str]| {
        let output = Command::new(ETL)
            .args(["run", "--offline", "--progress", "lines"])
            .args(more)
            .arg(folder.path("spec.yaml"))
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let unused = |keys: &str| {
        format!("`ask`: mocked answers for {keys} were not used: no record with such a key reached it")
    };
    let first = run(&[]);
    assert!(first.contains(&unused("`one`")), "{first}");
    let second = run(&[]);
    assert!(second.contains(&unused("`one`")), "also where all answers are in the ledger: {second}");
    let answers = folder.path("answers.yaml");
    let both = run(&["--answers", answers.to_str().unwrap()]);
    assert!(both.contains(&unused("`01`, `one`")), "{both}");
    assert!(!run(&["--limit", "1"]).contains("were not used"), "not all records were read");
}
