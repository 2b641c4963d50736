//! Stages that ask: prompts and schemas are read and checked before anything is sent.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    datatype::DataType,
    diagnostic::{Fault, Place, Source as Written},
    record::ANSWER,
    spec::{AskSpec, Name, Prompt as PromptSpec, TaskSpec, Text},
    template::{self, TemplateFault, TemplateMistake},
};

use super::{
    Ask, Prompt, Task,
    compile::{Compiler, Shape},
    inputs::{clean, plain, read_text},
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
        if self.spec.mistral.is_none() {
            self.report(Fault::NoMistral(name.value.to_string()), name.place.clone());
        }
        let (task, datatype) = self.task(&spec.task, shape);
        let after = shape.zip(datatype).map(|(shape, of)| shape.answered(into, of));
        let ask = task.map(|task| Ask {
            model: spec.model.value.clone(),
            task,
            concurrency: spec.concurrency,
            attempts: spec.attempts,
            retry: spec.retry,
            into: into.to_owned(),
            batch: spec.batch,
        });
        (ask, after)
    }

    /// What is asked, and the type of what comes of it.
    fn task(&mut self, task: &TaskSpec, shape: Option<&Shape>) -> (Option<Task>, Option<DataType>) {
        let structure = |fields: &[(&str, DataType)]| {
            DataType::Struct(fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect())
        };
        match task {
            TaskSpec::Chat(chat) => self.chat(chat, shape),
            TaskSpec::Embed { input, dimension } => {
                let input = self.prompt(input, shape);
                let task = input.map(|input| Task::Embed { input, dimension: *dimension });
                (task, Some(DataType::List(Box::new(DataType::Float))))
            }
            TaskSpec::Ocr { document, pages } => {
                let document = self.attachment(document, "the document", shape);
                let pages = pages.as_ref().map(|pages| pages.value.clone());
                let page = structure(&[("index", DataType::Integer), ("markdown", DataType::Text)]);
                let of =
                    structure(&[("markdown", DataType::Text), ("pages", DataType::List(Box::new(page)))]);
                (document.map(|document| Task::Ocr { document, pages }), Some(of))
            }
            TaskSpec::Moderate { input } => {
                let of = structure(&[("categories", DataType::Json), ("category_scores", DataType::Json)]);
                (self.prompt(input, shape).map(|input| Task::Moderate { input }), Some(of))
            }
            TaskSpec::Classify { input } => {
                (self.prompt(input, shape).map(|input| Task::Classify { input }), Some(DataType::Json))
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
        self.check(&text, false, shape, &place);
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
                    self.check(&text, false, shape, &place);
                    found.push((name, text.clone()));
                    self.includes(&text, folder, shape, &place, found);
                }
            }
        }
    }

    /// Checks a template or an expression; without a shape only its syntax.
    pub(super) fn check(
        &mut self,
        text: &str,
        expression: bool,
        shape: Option<&Shape>,
        place: &PlaceOf<'_>,
    ) -> bool {
        let fields = shape.map(|shape| shape.fields.as_slice()).unwrap_or_default();
        let mut good = true;
        for mistake in template::check(text, expression, fields) {
            let at = place(&mistake);
            let fault = match mistake.fault {
                TemplateFault::Syntax(what) => Fault::TemplateSyntax(what),
                TemplateFault::UnknownField { .. } if shape.is_none() => continue,
                TemplateFault::UnknownField { name, known } => Fault::UnknownField { name, known },
                TemplateFault::UnknownCallable { what, name } => Fault::UnknownCallable { what, name },
                TemplateFault::Include(_) => continue,
            };
            good = false;
            self.report(fault, at);
        }
        good
    }

    /// Checks an expression of the spec; gives its type where that can be known.
    pub(super) fn expression(&mut self, text: &Text, shape: Option<&Shape>) -> Option<DataType> {
        let good = self.check(&text.value, true, shape, &|mistake| text.place_of(mistake.span.clone()));
        let expression = template::Expression::parse(&text.value).ok().filter(|_| good)?;
        Some(expression.datatype(&shape?.fields))
    }

    /// Checks a condition.
    pub(super) fn condition(&mut self, text: &Text, shape: Option<&Shape>) {
        let good = self.check(&text.value, true, shape, &|mistake| text.place_of(mistake.span.clone()));
        let Some((shape, expression)) =
            shape.zip(template::Expression::parse(&text.value).ok()).filter(|_| good)
        else {
            return;
        };
        if let Some(of) = expression.not_a_condition(&shape.fields) {
            self.report(Fault::NotACondition { found: of.sql() }, text.place.clone());
        }
    }
}

impl Shape {
    /// With the answer of a model under a name.
    pub(super) fn answered(&self, into: &str, of: DataType) -> Self {
        let mut shape = self.clone();
        shape.set(into, of);
        let text = |name: &str| (name.to_owned(), DataType::Text);
        let count = |name: &str| (name.to_owned(), DataType::Integer);
        let answer = vec![
            text("model"),
            text("request"),
            count("attempt"),
            count("prompt_tokens"),
            count("completion_tokens"),
        ];
        shape.set(ANSWER, DataType::Struct(answer));
        // What was repaired is no failure any more, though its story can still be read.
        shape.made.retain(|name| name != crate::record::FAILURE && name != into);
        shape.made.push(into.to_owned());
        shape.answered = true;
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
