//! The commands: parse arguments, call, print, exit code. One file each.

mod check;
mod explain;
mod jobs;
mod plan;
mod run;
mod schema;
mod sim;
mod sql;

use std::{
    borrow::Cow,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    diagnostic::{Mistake, Mistakes},
    escape::escaped,
    run::Pipeline,
};

/// Exit code: the spec or the command line is wrong.
const WRONG: u8 = 2;
/// Exit code: the run could not continue. [`RunEnd::exit_code`](crate::event::RunEnd::exit_code) has those of a run that
/// ended.
const FATAL: u8 = 1;

/// Extract typed, checked metadata from many documents: a YAML file defines a graph of streams, which
/// writes rows to DuckDB.
#[derive(Debug, Parser)]
#[command(
    name = "etl",
    version,
    after_help = "Exit codes: 0 done, 1 fatal error, 2 the spec or the command line is invalid, 3 done, with failures, 4 out of money, 5 some records got no answer, 130 interrupted."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline.
    Run(run::Arguments),
    /// Check a pipeline and everything that it references, and report all errors at once.
    Check(check::Arguments),
    /// Show what a pipeline compiles to, with every default.
    Plan(plan::Arguments),
    /// Show the batch jobs of a pipeline; cancel the running ones, or delete the ended ones.
    Jobs(jobs::Arguments),
    /// Run the simulator of Mistral's API by itself.
    Sim(sim::Arguments),
    /// Print the JSON Schema of the pipeline language, for editors.
    Schema(schema::Arguments),
    /// Explain a stage or a key of the pipeline language.
    Explain(explain::Arguments),
    /// Show the result of a query over a database.
    Sql(sql::Arguments),
}

/// The spec and its parameters, which several commands take.
#[derive(Debug, clap::Args)]
struct SpecArguments {
    /// The pipeline's YAML file.
    spec: PathBuf,
    /// Override a parameter of the pipeline.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
}

fn name_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as `library=notes`")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    let code = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Jobs(arguments) => jobs::jobs(&arguments),
        Command::Sim(arguments) => sim::sim(&arguments),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Explain(arguments) => explain::explain_path(&arguments),
        Command::Sql(arguments) => sql::sql(&arguments),
    };
    ExitCode::from(code)
}

/// Prints help or an argument error; clap quotes arguments unchanged, including escape codes.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let is_hostile = matches!(escaped(&text), Cow::Owned(_));
    match (is_hostile, error.use_stderr()) {
        (false, _) => drop(error.print()),
        (true, true) => drop(std::io::stderr().write_all(escaped(&text).as_bytes())),
        (true, false) => show(&text),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG))
}

/// Reads and compiles the spec; prints its mistakes and returns the exit code on failure.
fn load(arguments: &SpecArguments) -> Result<Pipeline, u8> {
    let text = read(&arguments.spec)?;
    let pipeline = Pipeline::from_text(&arguments.spec, &text, &arguments.set).map_err(|mistakes| {
        tell_mistakes(&mistakes);
        WRONG
    })?;
    show_warnings(&pipeline.plan().warnings);
    Ok(pipeline)
}

/// Prints the warnings about a spec.
fn show_warnings(warnings: &[Mistake]) {
    if warnings.is_empty() {
        return;
    }
    let count = match warnings.len() {
        1 => "1 warning".to_owned(),
        count => format!("{count} warnings"),
    };
    let _ = write!(std::io::stderr(), "{}\n{count}\n", Mistakes(warnings.to_vec()).render(has_color()));
}

fn read(spec: &Path) -> Result<String, u8> {
    let path = spec.display();
    let bytes = std::fs::read(spec).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or(&why).to_lowercase();
        tell(&format!("cannot read the spec `{path}`: {why}"));
        WRONG
    })?;
    String::from_utf8(bytes).map_err(|error| {
        tell(&format!("the spec `{path}` is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()));
        WRONG
    })
}

fn tell_mistakes(mistakes: &Mistakes) {
    let count = match mistakes.0.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let text = mistakes.render(has_color());
    // A message cannot be shown on a closed terminal.
    let _ = write!(std::io::stderr(), "{text}\n{count}; nothing was sent, nothing was written\n");
}

/// Prints an error with its causes.
fn tell(error: &str) {
    let _ = writeln!(std::io::stderr(), "error: {}", escaped(error));
}

/// Prints a one-line warning.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {}", escaped(text));
}

fn show(text: &str) {
    let _ = std::io::stdout().write_all(escaped(text).as_bytes());
}

fn has_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Runs a future on a multi-threaded runtime.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        tell(&format!("cannot start: {error}"));
        FATAL
    })?;
    let value = runtime.block_on(future);
    // An abandoned query must not delay the exit.
    runtime.shutdown_background();
    Ok(value)
}
