//! Stages that ask: prompts and schemas are read and checked before anything is sent.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    diagnostic::{Fault, Place, Source as Written},
    record::LogicalType,
    spec::{AskSpec, Name, Prompt as PromptSpec, TaskSpec},
    template::{self, TemplateFault, TemplateMistake},
};

use super::{
    Ask, Prompt, Task,
    compile::Compiler,
    inputs::{clean, plain, read_text},
    shape::Shape,
};

/// Where in a person's own file a mistake of a template stands.
type PlaceOf<'a> = dyn Fn(&TemplateMistake) -> Place + 'a;

impl Compiler<'_> {
    /// Compiles a stage that asks over the shape of what it reads, if that is known. `into` is where
    /// the result is put.
    pub(super) fn ask(
        &mut self,
        name: &Name,
        spec: &AskSpec,
        into: &str,
        shape: Option<&Shape>,
    ) -> (Option<Ask>, Option<Shape>) {
        let (task, datatype) = self.task(&spec.task, shape);
        let after = shape.zip(datatype.clone()).map(|(shape, of)| shape.answered(&name.value, into, of));
        let ask = task.zip(datatype).map(|(task, result)| Ask {
            model: spec.model.value.clone(),
            task,
            concurrency: spec.concurrency,
            attempts: spec.attempts,
            retry: spec.retry,
            into: into.to_owned(),
            result,
            batch: spec.batch,
        });
        (ask, after)
    }

    /// What is asked, and the type of what comes of it.
    fn task(&mut self, task: &TaskSpec, shape: Option<&Shape>) -> (Option<Task>, Option<LogicalType>) {
        let structure = |fields: &[(&str, LogicalType)]| {
            LogicalType::Struct(fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect())
        };
        match task {
            TaskSpec::Chat(chat) => self.chat(chat, shape),
            TaskSpec::Embed { input, dimension } => {
                let input = self.prompt(input, shape);
                let task = input.map(|input| Task::Embed { input, dimension: *dimension });
                (task, Some(LogicalType::List(Box::new(LogicalType::Double))))
            }
            TaskSpec::Ocr { document, pages } => {
                let document = self.attachment(document, "the document", shape);
                let pages = pages.as_ref().map(|pages| pages.value.clone());
                let page = structure(&[("index", LogicalType::BigInt), ("markdown", LogicalType::Varchar)]);
                let of = structure(&[
                    ("markdown", LogicalType::Varchar),
                    ("pages", LogicalType::List(Box::new(page))),
                ]);
                (document.map(|document| Task::Ocr { document, pages }), Some(of))
            }
            TaskSpec::Moderate { input } => {
                let of =
                    structure(&[("categories", LogicalType::Json), ("category_scores", LogicalType::Json)]);
                (self.prompt(input, shape).map(|input| Task::Moderate { input }), Some(of))
            }
            TaskSpec::Classify { input } => {
                (self.prompt(input, shape).map(|input| Task::Classify { input }), Some(LogicalType::Json))
            }
        }
    }

    pub(super) fn prompt(&mut self, prompt: &PromptSpec, shape: Option<&Shape>) -> Option<Prompt> {
        let (text, folder, place): (String, PathBuf, Box<PlaceOf<'_>>) = match prompt {
            PromptSpec::Inline(text) => {
                let at = text.clone();
                (text.value.clone(), self.spec.folder.clone(), Box::new(move |m| at.place_of(m.span.clone())))
            }
            PromptSpec::File(path) => {
                let file = self.file(path, "the prompt")?;
                let folder = self.path(path).parent().map(Path::to_owned).unwrap_or_default();
                let text = file.text.clone();
                (text, folder, Box::new(move |m| Place { source: Arc::clone(&file), span: m.span.clone() }))
            }
        };
        self.check(&text, shape, &place);
        let mut includes = Vec::new();
        self.includes(&text, &folder, shape, &place, &mut includes);
        Some(Prompt { text, includes })
    }

    /// Reads what a template includes, and what that includes.
    fn includes(
        &mut self,
        text: &str,
        folder: &Path,
        shape: Option<&Shape>,
        place: &PlaceOf<'_>,
        found: &mut Vec<(String, String)>,
    ) {
        for (name, span) in template::includes(text) {
            if found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let here = place(&TemplateMistake { fault: TemplateFault::Include(name.clone()), span });
            let path = clean(&folder.join(&name));
            if !stays_in(&path, folder) {
                self.report(Fault::LeavesFolder { path: name, folder: folder.display().to_string() }, here);
                continue;
            }
            match read_text(&path) {
                Err(error) => {
                    let fault = Fault::Unreadable {
                        what: "the template",
                        path: path.display().to_string(),
                        why: plain(&error),
                    };
                    self.report(fault, here);
                }
                Ok(text) => {
                    let source = Arc::new(Written { name: path.display().to_string(), text: text.clone() });
                    let place = move |m: &TemplateMistake| Place {
                        source: Arc::clone(&source),
                        span: m.span.clone(),
                    };
                    self.check(&text, shape, &place);
                    found.push((name, text.clone()));
                    self.includes(&text, folder, shape, &place, found);
                }
            }
        }
    }

    /// Checks a template; without a shape only its syntax.
    fn check(&mut self, text: &str, shape: Option<&Shape>, place: &PlaceOf<'_>) {
        let schema = shape.map(|shape| shape.record_type().relation()).unwrap_or_default();
        for mistake in template::check(text, &schema) {
            let at = place(&mistake);
            let fault = match mistake.fault {
                TemplateFault::Syntax(what) => Fault::TemplateSyntax(what),
                TemplateFault::UnknownField { .. } if shape.is_none() => continue,
                TemplateFault::UnknownField { name, known } => Fault::UnknownField { name, known },
                TemplateFault::UnknownCallable { what, name } => Fault::UnknownCallable { what, name },
                TemplateFault::Include(_) => continue,
            };
            self.report(fault, at);
        }
    }
}

impl Shape {
    /// With the answer of a model, which the map of this name has asked for.
    pub(super) fn answered(&self, map: &Arc<str>, into: &str, of: LogicalType) -> Self {
        let mut shape = self.clone();
        shape.make(into, of);
        shape.answers.push(into.to_owned());
        if !shape.maps.contains(map) {
            shape.maps.push(Arc::clone(map));
        }
        // What was repaired is no failure any more.
        shape.failed = false;
        shape
    }
}

/// Whether a path lies in a folder, links followed where the file is there.
fn stays_in(path: &Path, folder: &Path) -> bool {
    let folder = clean(folder);
    let lexically = path.starts_with(&folder)
        || (folder == Path::new(".") && path.is_relative() && !path.starts_with(".."));
    let real = |path: &Path| path.canonicalize();
    match (real(path), real(&folder)) {
        (Ok(path), Ok(folder)) => lexically && path.starts_with(folder),
        _ => lexically,
    }
}
