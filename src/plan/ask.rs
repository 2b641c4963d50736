//! Stages that call a model: prompts and schemas are read and checked before anything is sent.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    diagnostic::{Fault, Place, Source as Written, Warning},
    record::LogicalType,
    spec::{
        AskSpec, FieldSpec, MockSpec, Prompt as PromptSpec, Settings, StageSpec, TaskSpec, Text, is_template,
    },
    template::{self, TemplateFault},
};

use super::{
    Ask, Call, Field, Mock, Model, Prompt, Task,
    caveat::{Caveat, CaveatKind, optional_parts},
    compiler::Compiler,
    inputs::{clean, plain, read_text},
    shape::{Shape, SplitLevel},
};

/// The place of a template mistake in the user's file.
type PlaceOf<'a> = dyn Fn(Range<usize>) -> Place + 'a;

/// The field for the number of a sample.
pub(super) fn sample_of(map: &str) -> String {
    format!("{map}_sample")
}

impl Compiler<'_> {
    /// Compiles a stage that calls a model over its input shape, if known. `map` is the stage that outputs the
    /// answers, `into` their field.
    pub(super) fn ask(
        &mut self,
        spec: &AskSpec,
        map: &Arc<str>,
        into: &str,
        shape: Option<&Shape>,
    ) -> (Option<Ask>, Option<Shape>) {
        let (task, datatype) = self.task(map, &spec.task, shape);
        if let (TaskSpec::Chat(chat), None) = (&spec.task, spec.samples) {
            self.same_request(map, chat);
        }
        let mut after = shape.zip(datatype.clone()).map(|(shape, of)| shape.answered(map, into, of));
        if let (Some(after), Some(Task::Chat(chat))) = (&mut after, &task)
            && let Some(schema) = &chat.schema
        {
            after.caveats.extend(optional_parts(&schema.json, into));
        }
        for (_, condition) in &spec.expect {
            self.condition(condition, after.as_ref());
        }
        let model = self.model(&spec.model, shape);
        let mock = spec.mock.as_ref().and_then(|mock| self.mock(mock, shape));
        let ask = task.zip(datatype).zip(model).map(|((task, result), model)| Ask {
            model,
            task,
            concurrency: spec.concurrency,
            attempts: spec.attempts,
            retry: spec.retry,
            into: into.to_owned(),
            result,
            batch: spec.batch,
            expect: spec
                .expect
                .iter()
                .map(|(name, text)| (name.value.to_string(), text.value.clone()))
                .collect(),
            feedback: spec.feedback,
            sample: spec.samples.map(|_| sample_of(map)),
            mock,
        });
        (ask, after)
    }

    /// The simulator's answers.
    fn mock(&mut self, mock: &MockSpec, shape: Option<&Shape>) -> Option<Mock> {
        match mock {
            MockSpec::Expression(text) => {
                self.expression(text, shape).map(|of| Mock::Expression(text.value.clone(), of))
            }
            MockSpec::ByKey(answers) => {
                let answers = answers.as_object().into_iter().flatten();
                // NULL leaves the answer to the simulator.
                let answers = answers.filter(|(_, answer)| !answer.is_null());
                Some(Mock::ByKey(answers.map(|(key, answer)| (key.clone(), answer_text(answer))).collect()))
            }
        }
    }

    /// The model, or a template for its name.
    fn model(&mut self, text: &Text, shape: Option<&Shape>) -> Option<Model> {
        if !is_template(&text.value) {
            return Some(Model::Named(text.value.clone()));
        }
        let name = self.prompt(&PromptSpec::Inline(text.clone()), shape)?;
        Some(Model::Template { name, known: self.spec.models(&text.value) })
    }

    /// The records that a stage sends: each as often as there are samples.
    pub(super) fn sampled(
        &mut self,
        stage: &StageSpec,
        map: &str,
        spec: &AskSpec,
        shape: Option<&Shape>,
    ) -> Option<Shape> {
        let shape = shape?;
        if spec.samples.is_none() {
            return Some(shape.clone());
        }
        let field = sample_of(map);
        self.free_name(stage, &field, Some(shape));
        if let (TaskSpec::Chat(chat), Some(samples)) = (&spec.task, spec.samples)
            && samples > 1
            && let Some(why) = makes_equal(&chat.settings)
        {
            let map = stage.name.value.to_string();
            self.warn(Warning::EqualSamples { map, why }, stage.name.place.clone());
        }
        let mut after = shape.clone();
        let (before, own) = (Box::new(shape.clone()), vec![field.clone()]);
        after.splits.push(SplitLevel { stage: map.to_owned(), own, before });
        after.make(&field, LogicalType::BigInt);
        if !after.key.is_empty() {
            after.key.push(field);
        }
        Some(after)
    }

    /// The task, and the type of its result.
    fn task(
        &mut self,
        name: &str,
        task: &TaskSpec,
        shape: Option<&Shape>,
    ) -> (Option<Task>, Option<LogicalType>) {
        match task {
            TaskSpec::Chat(chat) => self.chat(name, chat, shape),
            TaskSpec::Call(call) => {
                // Compile all of them, so that each reports its mistakes.
                let fields: Vec<_> = call
                    .fields
                    .iter()
                    .map(|(name, field)| Some((*name, self.field(field, shape)?)))
                    .collect();
                let fields: Option<Vec<_>> = fields.into_iter().collect();
                let task = fields.map(|fields| Task::Call(Call { kind: call.kind, fields }));
                (task, Some((call.kind.result)()))
            }
        }
    }

    /// A field of a call.
    fn field(&mut self, field: &FieldSpec, shape: Option<&Shape>) -> Option<Field> {
        Some(match field {
            FieldSpec::Text(prompt) => Field::Text(self.prompt(prompt, shape)?),
            FieldSpec::Texts(texts) => {
                let prompts: Vec<_> =
                    texts.iter().map(|text| self.prompt(&PromptSpec::Inline(text.clone()), shape)).collect();
                Field::Texts(prompts.into_iter().collect::<Option<_>>()?)
            }
            FieldSpec::Document(address) => {
                Field::Document(self.attachment(address, "the document", shape)?)
            }
            FieldSpec::Constant(value) => Field::Constant(value.clone()),
        })
    }

    pub(super) fn prompt(&mut self, prompt: &PromptSpec, shape: Option<&Shape>) -> Option<Prompt> {
        let (text, folder, place): (String, PathBuf, Box<PlaceOf<'_>>) = match prompt {
            PromptSpec::Inline(text) => {
                let at = text.clone();
                (text.value.clone(), self.spec.folder.clone(), Box::new(move |span| at.place_of(span)))
            }
            PromptSpec::File(path) => {
                let file = self.file(path, "the prompt")?;
                let folder = self.path(path).parent().map(Path::to_owned).unwrap_or_default();
                let text = file.text.clone();
                (text, folder, Box::new(move |span| Place { source: Arc::clone(&file), span }))
            }
        };
        self.check(&text, shape, &place);
        let mut includes = Vec::new();
        self.includes(&text, &folder, shape, &place, &mut includes);
        Some(Prompt { text, includes })
    }

    /// Reads the includes of a template, recursively.
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
            let here = place(span);
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
                    let source = Written::new(&path.display().to_string(), &text);
                    let place = move |span: Range<usize>| Place { source: Arc::clone(&source), span };
                    self.check(&text, shape, &place);
                    found.push((name, text.clone()));
                    self.includes(&text, folder, shape, &place, found);
                }
            }
        }
    }

    /// Checks a template; without a shape, only its syntax.
    fn check(&mut self, text: &str, shape: Option<&Shape>, place: &PlaceOf<'_>) {
        let schema = shape.map(|shape| shape.record_type().relation()).unwrap_or_default();
        for mistake in template::check(text, &schema) {
            let at = place(mistake.span);
            let fault = match mistake.fault {
                TemplateFault::Syntax(what) => Fault::TemplateSyntax(what),
                TemplateFault::UnknownField { .. } if shape.is_none() => continue,
                TemplateFault::UnknownField { name, known } => Fault::UnknownField { name, known },
                TemplateFault::UnknownCallable { what, name } => Fault::UnknownCallable { what, name },
            };
            self.report(fault, at);
        }
        self.failure_in(text, shape, place);
        if let Some(shape) = shape {
            self.caveats_in(text, shape, place);
        }
    }

    /// Reports references to values that may be NULL or that are not deterministic.
    fn caveats_in(&mut self, text: &str, shape: &Shape, place: &PlaceOf<'_>) {
        let concerning = |name: &str| {
            let open = |caveat: &&Caveat| caveat.concerns(name) && !self.guards.cover(caveat);
            shape.caveats.iter().filter(open).collect::<Vec<&Caveat>>()
        };
        let reasons = |name: &str| concerning(name).iter().map(|caveat| caveat.path.clone()).collect();
        let found = template::unguarded(text, &reasons);
        let found: Vec<_> = found.into_iter().map(|(name, span)| (concerning(&name), name, span)).collect();
        for (caveats, name, span) in found {
            // One warning for each place: a part may be NULL because its parent is.
            let null = caveats.iter().find_map(|caveat| match &caveat.kind {
                CaveatKind::Null(why) => Some(why.clone()),
                CaveatKind::Ties { .. } => None,
            });
            if let Some(why) = null {
                self.warn(Warning::MaybeNull { name: name.clone(), why }, place(span));
            }
            for caveat in caveats {
                if let CaveatKind::Ties { function, query } = &caveat.kind {
                    let (column, function) = (name.clone(), function.clone());
                    self.warn(Warning::Ties { column, function }, query.clone());
                }
            }
        }
    }
}

impl Shape {
    /// Adds the model's answer to the map of this name.
    pub(super) fn answered(&self, map: &Arc<str>, into: &str, of: LogicalType) -> Self {
        let mut shape = self.clone();
        shape.make(into, of);
        shape.answers.push(into.to_owned());
        if !shape.maps.contains(map) {
            shape.maps.push(Arc::clone(map));
        }
        // A repaired record is not a failure any more.
        shape.failed = false;
        shape
    }
}

/// The setting that makes a model give the same answer to the same request.
fn makes_equal(settings: &Settings) -> Option<&'static str> {
    let found = |name: &str| settings.iter().find(|setting| setting.name == name);
    if found("random_seed").is_some_and(|seed| seed.templates.is_empty()) {
        return Some("`random_seed` is the same for all of them");
    }
    let cold = found("temperature").is_some_and(|setting| setting.value.as_f64() == Some(0.0));
    cold.then_some("`temperature: 0` gives the most likely answer")
}

/// An answer as a model writes it: a text unchanged, anything else as JSON.
pub(crate) fn answer_text(answer: &serde_json::Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

/// Whether a path is in a folder. Links are followed if the file exists.
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
